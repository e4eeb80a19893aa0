--- access_log: writes one line a request, as JSON or by a format string with Envoy's %OPERATORS%.
-- JSON has the fields start_time, method, path, protocol, status, flags, details, bytes_in, bytes_out, duration_ms,
-- upstream_ms, client, peer, principal, listener, route, backend, upstream, attempts, host, request_id, user_agent;
-- what is not known is left out.  A format string shows it as "-", and %% as a percent sign.
-- Known: REQ(NAME?OTHER):LENGTH, RESP(NAME), START_TIME, PROTOCOL, RESPONSE_CODE, RESPONSE_FLAGS,
-- RESPONSE_CODE_DETAILS, BYTES_RECEIVED, BYTES_SENT, DURATION, UPSTREAM_HOST, UPSTREAM_CLUSTER, ROUTE_NAME,
-- UPSTREAM_REQUEST_ATTEMPT_COUNT, DOWNSTREAM_REMOTE_ADDRESS, DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT,
-- DOWNSTREAM_LOCAL_PORT, DOWNSTREAM_PEER_URI_SAN, DOWNSTREAM_PEER_SUBJECT, DOWNSTREAM_TLS_VERSION,
-- DOWNSTREAM_LOCAL_ADDRESS, REQUESTED_SERVER_NAME, UPSTREAM_CLUSTER_RAW; and, always "-",
-- CONNECTION_TERMINATION_DETAILS, UPSTREAM_TRANSPORT_FAILURE_REASON, UPSTREAM_LOCAL_ADDRESS.
-- `fields` is JSON of one's own: a value that is one operator keeps its type, and is null when it is not known.
-- `filter` is an expression of CEL, such as "response.code >= 400 && request.method != 'GET'": requests for which it
-- does not hold are not logged.
-- No client can forge a line: quotes, backslashes and bytes that are not ASCII are escaped.  Nor can one hide what
-- stands in it: where a line would pass 4 KiB, long values are cut until it does not.
-- Lines go through a bounded buffer and are dropped, and counted, rather than waited for.
-- Phases: log.
-- Place it around every route (the config's own `policies`).
local cel = require "moongate.cel"
local lines = require "policies.access_log.lines"
local log = require "moongate.log"
local operators = require "policies.access_log.operators"
local access_log = {}

access_log.decides = false

access_log.schema = {
  { "path", type = "string", default = "stdout", doc = 'File that lines are added to, "stdout" or "stderr".' },
  { "format", type = "string", default = "json", doc = 'A format string, or "json".' },
  { "fields", type = "map", values = { type = "string" }, doc = "JSON of these: names and format strings." },
  { "filter", type = "string", doc = "Logs the requests for which this expression holds." },
  { "listeners", type = "list", items = { type = "string" }, doc = "Logs the requests to these alone." },
}

local function template_mistake(format)
  local _, why = operators.template(format)
  return why
end

function access_log.check(conf)
  for name, format in pairs(conf.fields or {}) do
    local why = template_mistake(format)
    if why then return nil, ("fields: %s: %s"):format(name, why) end
  end
  local why = conf.format ~= "json" and template_mistake(conf.format)
  if why then return nil, "format: " .. why end
  local filter, mistake = cel.compile(conf.filter or "true")
  if not filter then return nil, "filter: " .. mistake end
end

function access_log.prepare(conf)
  local sink, why = log.sink(conf.path)
  if not sink then error("access_log: " .. why, 0) end
  local only = conf.listeners and {}
  for _, name in ipairs(conf.listeners or {}) do only[name] = true end
  local line = conf.fields and lines.fields(conf.fields) or conf.format == "json" and lines.json
    or lines.text(conf.format)
  return { sink = sink, only = only, line = line, filter = conf.filter and cel.compile(conf.filter) }
end

function access_log.log(conf, ctx)
  if conf.only and not conf.only[ctx.listener.name] or conf.filter and conf.filter(ctx) ~= true then return end
  conf.sink:write(conf.line(ctx))
end

return access_log
