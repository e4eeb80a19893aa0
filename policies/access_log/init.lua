--- access_log: writes one line a request, as JSON or by a format string with Envoy's %OPERATORS%.
-- JSON has the fields start_time, method, path, protocol, status, flags, details, bytes_in, bytes_out, duration_ms,
-- upstream_ms, client, peer, principal, listener, route, backend, upstream, attempts, host, request_id, user_agent;
-- what is not known is left out.  A format string shows it as "-", and %% as a percent sign.
-- Known: REQ(NAME?OTHER):LENGTH, RESP(NAME), START_TIME, PROTOCOL, RESPONSE_CODE, RESPONSE_FLAGS,
-- RESPONSE_CODE_DETAILS, BYTES_RECEIVED, BYTES_SENT, DURATION, UPSTREAM_HOST, UPSTREAM_CLUSTER, ROUTE_NAME,
-- UPSTREAM_REQUEST_ATTEMPT_COUNT, DOWNSTREAM_REMOTE_ADDRESS, DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT,
-- DOWNSTREAM_LOCAL_PORT, DOWNSTREAM_PEER_URI_SAN, DOWNSTREAM_PEER_SUBJECT, DOWNSTREAM_TLS_VERSION,
-- REQUESTED_SERVER_NAME.
-- No client can forge a line: quotes, backslashes and bytes that are not ASCII are escaped.
-- Lines go through a bounded buffer and are dropped, and counted, rather than waited for.
-- Phases: log.
-- Place it around every route (the config's own `policies`).
local log = require "moongate.log"
local operators = require "policies.access_log.operators"
local access_log = {}

access_log.schema = {
  { "path", type = "string", default = "stdout", doc = 'File that lines are added to, "stdout" or "stderr".' },
  { "format", type = "string", default = "json", doc = 'A format string, or "json".' },
}

local plain = operators.plain
local function request_header(name) return operators.parse("REQ(" .. name .. ")") end

-- The fields of a JSON line in their order: name and function.
local FIELDS = {
  { "start_time", plain.START_TIME }, { "method", request_header ":METHOD" }, { "path", request_header ":PATH" },
  { "protocol", plain.PROTOCOL }, { "status", plain.RESPONSE_CODE }, { "flags", plain.RESPONSE_FLAGS },
  { "details", plain.RESPONSE_CODE_DETAILS }, { "bytes_in", plain.BYTES_RECEIVED },
  { "bytes_out", plain.BYTES_SENT }, { "duration_ms", plain.DURATION },
  { "upstream_ms", operators.parse "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)" },
  { "client", function(ctx) return ctx.client_address end }, { "peer", plain.DOWNSTREAM_REMOTE_ADDRESS },
  { "principal", plain.DOWNSTREAM_PEER_URI_SAN }, { "listener", function(ctx) return ctx.listener.name end },
  { "route", plain.ROUTE_NAME }, { "backend", plain.UPSTREAM_CLUSTER }, { "upstream", plain.UPSTREAM_HOST },
  { "attempts", plain.UPSTREAM_REQUEST_ATTEMPT_COUNT }, { "host", request_header ":AUTHORITY" },
  { "request_id", function(ctx) return ctx.request_id end }, { "user_agent", request_header "user-agent" },
}

local function escape_json(char) return ("\\u%04x"):format(char:byte()) end
local function escape_text(char) return ("\\x%02x"):format(char:byte()) end

local function json_text(value)
  if type(value) == "number" then return ("%.14g"):format(value) end
  return '"' .. value:gsub('["\\]', "\\%0"):gsub("[%c\127-\255]", escape_json) .. '"'
end

local function line_text(value)
  if value == nil or value == "" then return "-" end
  if type(value) == "number" then return ("%.14g"):format(value) end
  return (value:gsub('["\\]', "\\%0"):gsub("[%c\127-\255]", escape_text))
end

local function json_line(ctx)
  local parts = {}
  for _, field in ipairs(FIELDS) do
    local value = field[2](ctx)
    if value ~= nil then parts[#parts + 1] = '"' .. field[1] .. '":' .. json_text(value) end
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

function access_log.check(conf)
  if conf.format == "json" then return nil end
  local _, why = operators.template(conf.format)
  if why then return nil, "format: " .. why end
end

local function format_line(format)
  local parts = operators.template(format)
  return function(ctx)
    local out = {}
    for i, part in ipairs(parts) do out[i] = type(part) == "string" and part or line_text(part(ctx)) end
    return table.concat(out)
  end
end

function access_log.prepare(conf)
  local sink, why = log.sink(conf.path)
  if not sink then error("access_log: " .. why, 0) end
  return { sink = sink, line = conf.format == "json" and json_line or format_line(conf.format) }
end

function access_log.log(conf, ctx)
  conf.sink:write(conf.line(ctx))
end

return access_log
