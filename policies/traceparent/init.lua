--- traceparent: takes part in traces (W3C Trace Context), and tells a collector about its spans (OTLP/HTTP, JSON).
-- A request that belongs to a trace stays in it, sampled or not as its caller says; any other begins one, of which
-- `ratio` are sampled.  An invalid traceparent counts as none, and takes tracestate with it; an invalid tracestate goes
-- alone.  The service gets a traceparent of its own for each try.  Of what is sampled there is a span for the request,
-- one for each try and, with `slow_policy`, one for each call of a policy of the same list that takes so long, waits
-- included.  They have the attributes of OpenTelemetry's conventions; queries of URLs are left out.  They are sent in
-- batches when there is a `url` or a `service`, never in a request's way: what does not fit into the queue is dropped
-- and counted, and what waits when a worker ends is lost.  The policies below find ctx.shared.trace: { trace_id,
-- span_id, sampled }.
-- Phases: request, try, tried, log.
-- Place it first: what stands before it is not in the span.
local context = require "policies.traceparent.context"
local hash = require "moongate.hash"
local otlp = require "moongate.otlp"
local random = require "moongate.random"
local span = require "policies.traceparent.span"
local time = require "moongate.time"
local traceparent = {}

traceparent.schema = {
  { "url", type = "string", pattern = "^https?://[^/?#@]+[^#]*$",
    doc = "Where spans are sent: http://HOST:4318/v1/traces." },
  { "service", type = "string", min = 1, doc = "Or the service of the config to which they are sent, at /v1/traces." },
  { "headers", type = "map", values = { type = "string" }, default = {}, secret = true,
    doc = "Fields of the requests that send them." },
  { "name", type = "string", min = 1, default = "moongate", doc = "service.name of this gateway." },
  { "ratio", type = "number", min = 0, max = 1, default = 1, doc = "Share of the traces begun here that is sampled." },
  { "incoming", type = "string", one_of = { "continue", "restart" }, default = "continue",
    doc = "Whether a caller's trace counts, or every request begins one: at the edge, where anybody calls." },
  { "slow_policy", type = "duration", min = 1, doc = "How long a policy takes that gets a span; absent: none does." },
  { "queue", type = "integer", min = 1, max = 100000, default = 2048, doc = "Spans that may wait, per worker." },
  { "batch", type = "integer", min = 1, max = 10000, default = 256, doc = "Spans sent at once, at most." },
  { "interval", type = "duration", min = 100, max = 600000, default = "5s", doc = "How long spans wait for others." },
  { "timeout", type = "duration", min = 1, max = 600000, default = "10s", doc = "Longest wait for the collector." },
}

function traceparent.check(conf)
  if conf.url and conf.service then return nil, "service: stands beside url; one is enough" end
end

function traceparent.prepare(conf)
  if conf.url or conf.service then
    conf.exporter = otlp.exporter { url = conf.url, service = conf.service, headers = conf.headers, name = conf.name,
      queue = conf.queue, batch = conf.batch, interval = conf.interval, timeout = conf.timeout }
  end
  return conf
end

local function new_id(bytes) return hash.hex(random.bytes(bytes)) end

-- The caller's trace, its span and whether it is sampled; nil: there is none that counts.
local function caller(conf, headers)
  if conf.incoming == "restart" then return nil end
  local all = headers:get_all "traceparent"
  if #all ~= 1 then return nil end
  return context.parse(all[1])
end

-- The last 28 bits decide, so that gateways that know the same trace choose alike.
local function is_chosen(conf, trace) return tonumber(trace:sub(-7), 16) < conf.ratio * 268435456 end

-- The state that goes with a trace that goes on: what is valid of it, as one field; or nil.
local function pass_state(headers, parent)
  local fields = headers:get_all "tracestate"
  if not fields[1] then return nil end
  local state = parent and context.state(fields)
  headers.tracestate = state or nil
  return state
end

function traceparent.request(conf, ctx)
  local headers = ctx.req.headers
  local trace, parent, sampled, is_random = caller(conf, headers)
  if not trace then
    trace = new_id(16)
    sampled = is_chosen(conf, trace)
  end
  local state = pass_state(headers, parent)
  local id, own = new_id(8), ctx.own
  headers:set("traceparent", context.format(trace, id, sampled, is_random))
  ctx.shared.trace = { trace_id = trace, span_id = id, sampled = sampled }
  if not sampled or not conf.exporter then return end
  own.span = { trace = trace, id = id, parent = parent, state = state, random = is_random, method = ctx.req.method,
    path = ctx.req.path }
  own.tries = 0
end

function traceparent.try(_, ctx)
  local own = ctx.own
  if not own.span then return end
  local server = own.span
  own.try = { trace = server.trace, id = new_id(8), parent = server.id, state = server.state, began = time.now(),
    count = own.tries, scheme = ctx.backend.tls and "https" or "http" }
  own.tries = own.tries + 1
  ctx.req.headers:set("traceparent", context.format(server.trace, own.try.id, true, server.random))
end

function traceparent.tried(conf, ctx, failure)
  local own = ctx.own
  if not own.try then return end
  own.try.ended = time.now()
  conf.exporter:add(span.client(ctx, own.try, failure))
  own.try = nil
end

function traceparent.slower_than(conf) return conf.exporter and conf.slow_policy end

function traceparent.slow(conf, ctx, call)
  local server = ctx.own.span
  if server then conf.exporter:add(span.policy(server, new_id(8), call)) end
end

function traceparent.log(conf, ctx)
  local own = ctx.own
  if not own.span then return end
  if own.try then traceparent.tried(conf, ctx, "cancelled") end -- a policy raised while it ran
  conf.exporter:add(span.server(ctx, own.span))
end

return traceparent
