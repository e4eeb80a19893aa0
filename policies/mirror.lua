--- mirror: sends a copy of a share of the requests to another service, and throws its answers away.
-- The copy is sent beside the request, once that is whole here, on a connection of its own; whether it arrives changes
-- nothing for the client.  It is given up where the body is longer than `body_limit`, where `most` copies are on their
-- way already, and where the service does not answer within `timeout`.
-- A request with a body then goes upstream piece by piece, so it is not sent again by the route's retries.
-- The metric moongate_mirrored_requests_total counts copies by service and outcome (answered, failed, dropped).
-- Phases: request, request_body.
-- Place it last: the copy is what the policies above it made of the request.
local http = require "moongate.http"
local metrics = require "moongate.metrics"
local random = require "moongate.random"
local timer = require "moongate.timer"
local mirror = {}

mirror.decides = false

mirror.schema = {
  { "service", type = "string", required = true, doc = "Service that receives the copies." },
  { "subset", type = "string", doc = "Subset of the service." },
  { "shadow_host", type = "boolean", default = false, doc = "Call the copy's Host NAME-shadow, as Envoy does." },
  { "percent", type = "number", min = 0, max = 100, default = 100, doc = "Share of requests that are copied." },
  { "body_limit", type = "size", default = "64KiB", doc = "Longest body that is copied." },
  { "most", type = "integer", min = 1, default = 256, doc = "Copies on their way at a time, for each worker." },
  { "timeout", type = "duration", min = 1, default = "10s", doc = "Time of one copy." },
}

mirror.body = { request = "chunks" }

function mirror.prepare(conf)
  local counts = metrics.counter { name = "moongate_mirrored_requests_total", labels = { "service", "outcome" },
    help = "Copies of requests, by service and what became of them." }
  local copy = { on_their_way = 0, counts = {} }
  for name, value in pairs(conf) do copy[name] = value end
  for _, outcome in ipairs { "answered", "failed", "dropped" } do
    copy.counts[outcome] = counts:with(conf.service, outcome)
  end
  return copy
end

-- What frames a message or belongs to one connection is made anew for the copy (RFC 9110, section 7.6.1).
local OWN = { host = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true,
  ["keep-alive"] = true, ["proxy-connection"] = true, te = true, trailer = true, upgrade = true, expect = true }

local function headers_of(ctx)
  local headers = {}
  for name, value in ctx.req.headers:each() do
    name = name:lower()
    if not OWN[name] then
      headers[name] = headers[name] or {}
      table.insert(headers[name], value)
    end
  end
  headers["x-request-id"] = headers["x-request-id"] or ctx.request_id
  return headers
end

-- "a.example:80" to "a.example-shadow:80".
local function shadow(authority)
  local host, port = authority:match("^(.-)(:%d+)$")
  return (host or authority) .. "-shadow" .. (port or "")
end

local function copy_of(conf, ctx)
  local req = ctx.req
  local authority = conf.shadow_host and shadow(req.authority) or req.authority
  return { service = conf.service, subset = conf.subset, method = req.method, authority = authority,
    path = req.query and req.path .. "?" .. req.query or req.path, headers = headers_of(ctx), timeout = conf.timeout }
end

-- On a lane of its own, so that the request does not wait.
local function send(conf, copy, body)
  if conf.on_their_way >= conf.most then return conf.counts.dropped:add(1) end
  copy.body = body
  conf.on_their_way = conf.on_their_way + 1
  local started = timer.after(0, function()
    local ok, response = pcall(http.request, copy)
    conf.on_their_way = conf.on_their_way - 1
    conf.counts[ok and response and "answered" or "failed"]:add(1)
  end)
  if started then return end
  conf.on_their_way = conf.on_their_way - 1
  conf.counts.dropped:add(1)
end

function mirror.request(conf, ctx)
  if ctx.upgrade or conf.percent < 100 and random.number() * 100 >= conf.percent then return end
  local copy = copy_of(conf, ctx)
  if not ctx.req.has_body then return send(conf, copy, nil) end
  ctx.own.copy, ctx.own.parts, ctx.own.size = copy, {}, 0
end

function mirror.request_body(conf, ctx, bytes, last)
  local own = ctx.own
  if not own.copy then return end
  own.size = own.size + #bytes
  if own.size > conf.body_limit then
    own.copy, own.parts = nil, nil
    conf.counts.dropped:add(1)
    return
  end
  table.insert(own.parts, bytes)
  if last then send(conf, own.copy, table.concat(own.parts)) end
end

--- The share that is copied.
function mirror.explain(conf)
  return { ("copies %g%% of requests to %s%s"):format(conf.percent, conf.service,
    conf.subset and "/" .. conf.subset or "") }
end

return mirror
