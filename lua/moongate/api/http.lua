---@meta moongate.http

--- Requests of a policy's own, on the same connection pools as the traffic.
---@class moongate.http
local http = {}

--- Sends a request and waits for the whole response. One of `service` and `url` says where to; a mistake in the request
--- raises, a failure of the network gives nil and why.
---@param request { service?: string, subset?: string, url?: string, method?: string, path?: string, authority?: string, headers?: table<string, string|string[]>, body?: string, timeout?: integer, limit?: integer } timeout in ms (10000), limit of the response's body in bytes (1 MiB).
---@return { status: integer, headers: table<string, string>, fields: string[][], body: string }? response headers by name in lower case, the first value of each; fields are all, as { name, value }.
---@return string? why
function http.request(request) end

return http
