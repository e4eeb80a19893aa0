---@meta

--- One request and its response. What is not decided yet is nil. It and its parts are of use to their own request alone,
--- while it runs: kept for a timer, or for one that runs beside it, they raise. The worker uses them again for later
--- requests, also of other clients: one that is kept is then about such a one.
---@class moongate.Ctx
---@field req moongate.Request The request, as it goes upstream.
---@field res moongate.Response The response; it is there from the response phase on.
---@field peer moongate.Peer Who is at the other end of the client's connection.
---@field own table Notes of this policy on this request.
---@field shared table Notes on this request that all policies share.
---@field client_address string The client's address, as far as X-Forwarded-For is trusted.
---@field local_address string? The address that the client reached.
---@field request_id string X-Request-Id, as it goes upstream.
---@field listener { name: string, address: string, host: string?, port: integer? } The listener.
---@field port integer The port that the listener declares.
---@field protocol "HTTP/1.0"|"HTTP/1.1" What the client speaks.
---@field grpc boolean Whether it is a gRPC request, by its content-type.
---@field upgrade boolean Whether it asks for another protocol.
---@field route { name: string }? The route.
---@field backend { service: string, subset: string?, tls: table? }? The backend.
---@field endpoint { address: string, labels: table<string, string>, workload: table? }? The endpoint of the last try.
---@field upstream_address string? Where the last try went: "10.0.0.1:8080".
---@field attempts integer Tries so far.
---@field local_reply boolean Whether the answer is the gateway's own, a policy's or one to a failure.
---@field details string? Why the answer is what it is, for logs. May be assigned.
---@field duration number Seconds from the request's first byte to the response's last, or to now.
---@field upstream_duration number? Seconds from sending the last try to the head of its response.
---@field start_time number When the request's first byte came, in seconds since 1970.
---@field bytes_in integer Bytes of the request on the wire, head included.
---@field bytes_out integer Bytes of the response on the wire, head included.
local ctx = {}

--- Answers here. Return what it returns from `request` to stop the chain. A gRPC request gets the status in gRPC's form.
---@param status integer 200 to 599.
---@param body? string
---@param headers? table<string, string|string[]>
---@return moongate.Response
function ctx:respond(status, body, headers) end

--- Sends the request to this service (and subset), whatever the route's weights say. Raises when there is none.
---@param service string
---@param subset? string
function ctx:use_backend(service, subset) end

--- Waits for the first bytes of the request's body, which stay part of it: these (no more than one string may have), and
--- whether that is all of it.
---@param bytes integer
---@return string first
---@return boolean whole
function ctx:peek_body(bytes) end

--- In `request` and `response`: waits for the whole body of that message: its text, nil where it is longer
--- (or longer than one string may be).
---@param limit integer Most bytes.
---@return string?
function ctx:read_body(limit) end

--- In `request` and `response`: another body for that message; its trailers go, too.
---@param bytes string
function ctx:replace_body(bytes) end

--- Waits; other requests go on. Ends the request when the client leaves meanwhile.
---@param ms number
function ctx:sleep(ms) end

--- What ends this request's sleep early, from another one or a timer.
---@return moongate.Waker
function ctx:waker() end

--- Adds a response flag, by Envoy's names ("DI", "UF").
---@param name string
function ctx:flag(name) end

--- The response flags, joined by commas; "-" when there is none.
---@return string
function ctx:flags_text() end

--- Ends sleeps of one request, whoever has it. Nothing happens when that sleeps not, or is over.
---@class moongate.Waker
local waker = {}

--- Ends the sleep in which the request is.
function waker:wake() end

--- The request.
---@class moongate.Request
---@field method string Its method. May be assigned.
---@field path string Its path, without the query. May be assigned.
---@field query string? What stands behind "?"; nil without one. May be assigned.
---@field authority string The host as sent, with its port. May be assigned.
---@field host string The host in lower case, without a port.
---@field scheme "http"|"https" Whether the client speaks TLS.
---@field principal string? Identity of the client's certificate, as in peer.
---@field has_body boolean Whether there is (or may be) a body.
---@field headers moongate.Headers Its fields.
---@field trailers moongate.Headers Those behind its body, once that was read.
local req = {}

--- The value of a cookie that the client sent, or nil.
---@param name string
---@return string?
function req:cookie(name) end

--- The first query parameter of that name, decoded, or nil.
---@param name string
---@return string?
function req:param(name) end

--- The whole body; only where a policy of the chain has body.request = "whole".
---@return string
function req:body() end

--- The response.
---@class moongate.Response
---@field status integer Its status; 0 while there is none. May be assigned, until its head is out.
---@field has_body boolean Whether one of this status, to this request, has (or may have) a body.
---@field headers moongate.Headers Its fields.
---@field trailers moongate.Headers Those behind its body, once that was read.
local res = {}

--- The whole body; only where a policy of the chain has body.response = "whole".
---@return string
function res:body() end

--- The client's end of its connection.
---@class moongate.Peer
---@field address string The address of the connection's other end: of the client, or of a proxy before it.
---@field port integer Its port.
---@field tls boolean Whether it speaks TLS.
---@field principal string? The first URI in its verified certificate: "spiffe://...".
---@field certificate table? Of TLS: verified, principal, subject, serial, dns, fingerprint, sni, alpn, version, cipher.

--- The fields of a message. Names compare in any case; order is that of the wire; Set-Cookie is never joined.
--- h[name] reads the first value, h[name] = value sets the only one, h[name] = nil removes all.
---@class moongate.Headers
---@field [string] string?
local headers = {}

--- The first value, or nil: h[name], also where the name is that of a method.
---@param name string
---@return string?
function headers:get(name) end

--- All values in order; an empty list when there is none.
---@param name string
---@return string[]
function headers:get_all(name) end

--- The value at or after `pos` (0 to begin with) and where to go on; nothing at the end. Makes no table.
---@param name string
---@param pos integer
---@return string? value
---@return integer? pos
function headers:next_of(name, pos) end

--- Makes `value` the only one. Raises for what cannot stand in a message, and for fields that frame it.
---@param name string
---@param value string|number
function headers:set(name, value) end

--- Adds one more field. Raises as set() does.
---@param name string
---@param value string|number
function headers:add(name, value) end

--- Removes all fields of that name; nothing happens when there is none.
---@param name string
function headers:remove(name) end

--- For a loop: name and value of every field in order; fields may be edited meanwhile.
---@return fun(state: table): string?, string?
---@return table
function headers:each() end
