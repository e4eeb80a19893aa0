--- cost: what policies cost and what they decide, as metrics.
-- One request in 64 runs through chains whose policies are timed (chain.form); which one is drawn, so that no rhythm of
-- the traffic hides from it.  The others pay for the draw: one subtraction.
local abi = require "moongate.abi"
local face = require "moongate.face"
local metrics = require "moongate.metrics"

local C = abi.C

local cost = {}

local EVERY = 64 -- requests a timed one, in the mean

local durations = metrics.histogram {
  name = "moongate_policy_duration_seconds", labels = { "policy", "phase" },
  help = "Time that policies ran, waits left out, of one request in 64.",
  buckets = { 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 1e-2, 5e-2, 0.25 },
}

local allocated = metrics.counter {
  name = "moongate_policy_allocated_bytes_total", labels = { "policy", "phase" },
  help = "Bytes of Lua memory that policies asked for, waits left out, of one request in 64.",
}

local decisions = metrics.counter {
  name = "moongate_policy_decisions_total", labels = { "policy", "phase", "code" },
  help = "Requests that a policy answered, by the status that it chose.",
}

local left = math.random(2 * EVERY - 1) -- requests until the next timed one

--- Decides whether the request that begins is timed: then ctx._x.timed is true.
function cost.draw(ctx)
  left = left - 1
  if left > 0 then return end
  left = math.random(2 * EVERY - 1)
  C.mg_time_lane(ctx._x)
end

--- Counts the answer that ctx.res holds for the policy that gave it.
function cost.decided(policy, phase, ctx)
  decisions:with(policy, phase, ctx._x.status):add(1)
end

--- The function of a policy's phase, timed and weighed.  A call that raises is counted among the errors alone.
function cost.timed(policy, phase, fn)
  local series, weight = durations:with(policy, phase), allocated:with(policy, phase)
  return function(conf, held, bytes, last)
    local x = face.behind(held)._x
    local memory, began = C.mg_lane_memory(x), C.mg_lane_time(x)
    local result = fn(conf, held, bytes, last)
    series:observe(C.mg_lane_time(x) - began)
    weight:add(C.mg_lane_memory(x) - memory)
    return result
  end
end

return cost
