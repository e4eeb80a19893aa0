--- span: spans as OTLP's JSON, with the attributes of OpenTelemetry's semantic conventions for HTTP.
local json = require "moongate.json"
local span = {}

local INTERNAL, SERVER, CLIENT, ERROR = 1, 2, 3, 2 -- opentelemetry.proto.trace.v1: SpanKind, StatusCode
local LONGEST = 1024 -- bytes of a text

-- RFC 9110 and PATCH; what else a client sends would make names without end.
local METHODS = { GET = true, HEAD = true, POST = true, PUT = true, DELETE = true, CONNECT = true, OPTIONS = true,
  TRACE = true, PATCH = true }

-- JSON holds no other bytes than UTF-8, and what a client sends may be any.
local function quoted(text) return json.encode((text:sub(1, LONGEST):gsub("[\128-\255]", "?"))) end

local function add(list, key, value)
  if value == nil then return end
  local shown = type(value) == "number" and ('{"intValue":"%d"}'):format(value)
    or ('{"stringValue":%s}'):format(quoted(value))
  list[#list + 1] = ('{"key":"%s","value":%s}'):format(key, shown)
end

local function nanoseconds(seconds) return ("%.0f000"):format(seconds * 1000000) end

-- `s`: trace, id, parent, state (of the trace, or nil), name, began and ended (seconds since 1970), failed.
local function encode(s, kind, attributes)
  return ('{"traceId":"%s","spanId":"%s",%s%s"name":%s,"kind":%d,"startTimeUnixNano":"%s","endTimeUnixNano":"%s",'
    .. '"attributes":[%s],"status":{%s}}'):format(s.trace, s.id,
    s.state and ('"traceState":%s,'):format(json.encode(s.state)) or "",
    s.parent and ('"parentSpanId":"%s",'):format(s.parent) or "", quoted(s.name), kind, nanoseconds(s.began),
    nanoseconds(s.ended), table.concat(attributes, ","), s.failed and '"code":' .. ERROR or "")
end

local function add_method(list, method)
  add(list, "http.request.method", METHODS[method] and method or "_OTHER")
  if not METHODS[method] then add(list, "http.request.method_original", method) end
  return METHODS[method] and method or "HTTP"
end

local function address_of(text)
  local host, port = (text or ""):match "^%[?(.-)%]?:(%d+)$"
  return host or text, tonumber(port)
end

--- The span of a request that the gateway has answered.
-- @param s trace, id, parent (nil: it is the first), state
function span.server(ctx, s)
  local list, req, status = {}, ctx.req, ctx.res.status
  local route = ctx.route and ctx.route.name
  local method = add_method(list, s.method)
  add(list, "url.scheme", req.scheme)
  add(list, "url.path", s.path)
  add(list, "server.address", req.host)
  add(list, "server.port", ctx.port)
  add(list, "client.address", ctx.client_address)
  add(list, "network.peer.address", ctx.peer.address)
  add(list, "network.peer.port", ctx.peer.port)
  add(list, "network.protocol.version", ctx.protocol:sub(6))
  add(list, "user_agent.original", req.headers["user-agent"])
  add(list, "http.route", route)
  if status > 0 then add(list, "http.response.status_code", status) end
  s.failed = status == 0 or status >= 500
  if s.failed then add(list, "error.type", status == 0 and "cancelled" or tostring(status)) end
  s.name = route and method .. " " .. route or method
  s.began = ctx.start_time
  s.ended = s.began + ctx.duration
  return encode(s, SERVER, list)
end

--- The span of a policy's call in a request's span.
-- @param call policy, phase, began, ended
function span.policy(server, id, call)
  local list = {}
  add(list, "moongate.policy", call.policy)
  add(list, "moongate.phase", call.phase)
  return encode({ trace = server.trace, id = id, parent = server.id, state = server.state,
    name = "policy " .. call.policy, began = call.began, ended = call.ended }, INTERNAL, list)
end

--- The span of one try upstream.
-- @param s trace, id, parent, state, began, ended, count (tries before it)
-- @param failure why there is no answer, or nil
function span.client(ctx, s, failure)
  local list, req, status = {}, ctx.req, ctx.res.status
  local host, port = address_of(ctx.endpoint and ctx.endpoint.address)
  local peer, peer_port = address_of(ctx.upstream_address)
  s.name = add_method(list, req.method)
  add(list, "server.address", host)
  add(list, "server.port", port)
  add(list, "network.peer.address", peer)
  add(list, "network.peer.port", peer_port)
  add(list, "url.full", ("%s://%s%s"):format(s.scheme, req.authority, req.path))
  if s.count > 0 then add(list, "http.request.resend_count", s.count) end
  if not failure then add(list, "http.response.status_code", status) end
  s.failed = failure ~= nil or status >= 400
  if s.failed then add(list, "error.type", failure or tostring(status)) end
  return encode(s, CLIENT, list)
end

return span
