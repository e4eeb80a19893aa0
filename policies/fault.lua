--- fault: delays a share of the requests, answers a share of them with an error, to test what callers do.
-- The two shares are drawn apart: first the delay (and the wait), then the abort; a request may meet both.  Shares
-- are drawn in parts per million.  In this config a share that is left out is 100 percent; in Istio's YAML it is 0,
-- and the reader of YAML says so.
-- The log shows DI for a delay, FI for an abort; the wait is no part of the route's timeout.
-- Phases: request.
-- Place it after policies that may refuse the request, so that a refused one is not delayed.
local random = require "moongate.random"
local units = require "moongate.units"
local fault = {}

local function share(doc)
  return { "percent", type = "number", min = 0, max = 100, default = 100, doc = doc }
end

fault.schema = {
  { "delay", type = "record", doc = "Waits before anything is sent upstream.", fields = {
    { "fixed", type = "duration", required = true, doc = "How long." }, share("Share of requests that wait."),
  } },
  { "abort", type = "record", doc = "Answers instead of sending anything upstream.", fields = {
    { "status", type = "integer", min = 200, max = 599, doc = "Status of the answer." },
    { "grpc_status", type = "integer", min = 0, max = 16, doc = "In its place, a gRPC status in an answer of 200." },
    share("Share of requests that are answered so."),
  } },
}

function fault.check(conf)
  local abort = conf.abort
  if not conf.delay and not abort then return nil, "delay: needs delay or abort, else it does nothing" end
  if abort and (abort.status == nil) == (abort.grpc_status == nil) then
    return nil, "abort: needs one of status and grpc_status"
  end
end

-- Shares are whole parts per million, cut off, as Envoy keeps them.
local function millionths(part) return part and math.floor(part.percent * 10000) or 0 end

function fault.prepare(conf)
  return {
    delay = conf.delay and conf.delay.fixed or 0,
    delayed = conf.delay and conf.delay.fixed > 0 and millionths(conf.delay) or 0,
    status = conf.abort and conf.abort.status or 200, grpc_status = conf.abort and conf.abort.grpc_status,
    aborted = millionths(conf.abort),
  }
end

local BODY = "fault filter abort"

-- A gRPC client gets its status in headers alone; another one sees it beside the body.
local function abort(conf, ctx)
  ctx:flag("FI")
  ctx.details = "fault_filter_abort"
  local answer = ctx:respond(conf.status, BODY, { ["content-type"] = "text/plain" })
  if conf.grpc_status then
    answer.headers:set("grpc-status", tostring(conf.grpc_status))
    answer.headers:set("grpc-message", BODY)
  end
  return answer
end

local function drawn(part) return part > 0 and random.number() * 1000000 < part end

function fault.request(conf, ctx)
  if drawn(conf.delayed) then
    ctx:flag("DI")
    ctx:sleep(conf.delay)
  end
  if drawn(conf.aborted) then return abort(conf, ctx) end
end

--- The shares; what was drawn shows in what the policy did.
function fault.explain(conf)
  local lines = {}
  if conf.delayed > 0 then
    lines[1] = ("delays %g%% of requests by %s"):format(conf.delayed / 10000, units.show_duration(conf.delay))
  end
  if conf.aborted > 0 then
    lines[#lines + 1] = ("answers %d to %g%% of requests"):format(conf.status, conf.aborted / 10000)
  end
  return lines
end

return fault
