--- operators: what a line of the access log may show, by the names of Envoy's format strings.
local time = require "moongate.time"
local operators = {}

local function ms(seconds) return seconds and math.floor(seconds * 1000 + 0.5) end

local function backend_name(ctx)
  local backend = ctx.backend
  if not backend then return nil end
  return backend.subset and backend.service .. "/" .. backend.subset or backend.service
end

local function target(ctx)
  local req = ctx.req
  return req.query and req.path .. "?" .. req.query or req.path
end

local function certificate(name)
  return function(ctx)
    local found = ctx.peer.certificate
    return found and found[name]
  end
end

local function unknown() return nil end

-- As Envoy writes it; nil: a Unix socket's.
local function with_port(address, port)
  if not address or address == "" then return nil end
  return (address:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(address, port)
end

--- name -> function(ctx) that gives a text, a number or nil.
operators.plain = {
  START_TIME = function(ctx) return time.rfc3339(ctx.start_time) end,
  PROTOCOL = function(ctx) return ctx.protocol end,
  RESPONSE_CODE = function(ctx) return ctx.res.status end,
  RESPONSE_FLAGS = function(ctx) return ctx:flags_text() end,
  RESPONSE_CODE_DETAILS = function(ctx) return ctx.details end,
  BYTES_RECEIVED = function(ctx) return ctx.bytes_in end,
  BYTES_SENT = function(ctx) return ctx.bytes_out end,
  DURATION = function(ctx) return ms(ctx.duration) end,
  UPSTREAM_HOST = function(ctx) return ctx.upstream_address end,
  UPSTREAM_CLUSTER = backend_name,
  UPSTREAM_REQUEST_ATTEMPT_COUNT = function(ctx) return ctx.attempts end,
  TRACE_ID = function(ctx) return ctx.shared.trace and ctx.shared.trace.trace_id end,
  SPAN_ID = function(ctx) return ctx.shared.trace and ctx.shared.trace.span_id end,
  ROUTE_NAME = function(ctx) return ctx.route and ctx.route.name end,
  DOWNSTREAM_REMOTE_ADDRESS = function(ctx) return with_port(ctx.peer.address, ctx.peer.port) end,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT = function(ctx) return ctx.peer.address end,
  DOWNSTREAM_LOCAL_PORT = function(ctx) return ctx.port end,
  DOWNSTREAM_PEER_URI_SAN = function(ctx) return ctx.peer.principal end,
  DOWNSTREAM_PEER_SUBJECT = certificate "subject",
  DOWNSTREAM_TLS_VERSION = certificate "version",
  REQUESTED_SERVER_NAME = certificate "sni",
  UPSTREAM_CLUSTER_RAW = backend_name,
  DOWNSTREAM_LOCAL_ADDRESS = function(ctx) return with_port(ctx.local_address, ctx.port) end,
  -- Envoy's usual line has these; they are never known here.
  CONNECTION_TERMINATION_DETAILS = unknown, UPSTREAM_TRANSPORT_FAILURE_REASON = unknown,
  UPSTREAM_LOCAL_ADDRESS = unknown,
}

-- What Envoy keeps in headers and moongate does not.
local PSEUDO = {
  [":METHOD"] = function(ctx) return ctx.req.method end,
  [":PATH"] = target,
  [":AUTHORITY"] = function(ctx) return ctx.req.authority end,
  [":SCHEME"] = function(ctx) return ctx.req.scheme end,
}

local function request_header(name)
  return PSEUDO[name:upper()] or function(ctx) return ctx.req.headers[name] end
end

local function response_header(name)
  if name:upper() == "X-ENVOY-UPSTREAM-SERVICE-TIME" then
    return function(ctx) return ms(ctx.upstream_duration) end
  end
  return function(ctx) return ctx.res.headers[name] end
end

local BY_HEADER = { REQ = request_header, RESP = response_header }

local function cut(get, length)
  return function(ctx)
    local value = get(ctx)
    return type(value) == "string" and value:sub(1, length) or value
  end
end

-- NAME(A?B): the header A, or B when A is not there.
local function header_operator(kind, names)
  local first, second = names:match("^([^?]+)%??([^?]*)$")
  if not first then return nil end
  local get = BY_HEADER[kind](first)
  if second == "" then return get end
  local other = BY_HEADER[kind](second)
  return function(ctx)
    local value = get(ctx)
    if value == nil then return other(ctx) end
    return value
  end
end

--- The function of an operator's text ("DURATION", "REQ(X-A?:PATH):20"), or nil and why there is none.
function operators.parse(text)
  local body, length = text:match("^(.-):(%d+)$")
  if not body or not body:find("^[%u_]+%(.*%)$") then body, length = text, nil end
  local kind, names = body:match("^([%u_]+)%((.*)%)$")
  local get
  if BY_HEADER[kind] then get = header_operator(kind, names) else get = operators.plain[body] end
  if not get then return nil, ("unknown operator %%%s%%"):format(text) end
  return length and cut(get, tonumber(length)) or get
end

--- A format string as a list of texts and functions, in which %% is a percent sign; nil and why where it has a
-- mistake.
function operators.template(format)
  local parts, at = {}, 1
  while at <= #format do
    local from, to, name = format:find("%%([^%%]*)%%", at)
    if not from then break end
    parts[#parts + 1] = format:sub(at, from - 1)
    local get, why = "%", nil
    if name ~= "" then get, why = operators.parse(name) end
    if not get then return nil, why end
    parts[#parts + 1], at = get, to + 1
  end
  local rest = format:sub(at)
  if rest:find("%", 1, true) then return nil, "a % without its partner; %% is a percent sign" end
  parts[#parts + 1] = rest
  return parts
end

return operators
