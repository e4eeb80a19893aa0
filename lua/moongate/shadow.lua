--- shadow: policies that run on live requests with their effects thrown away (`shadow = true` of a use).
-- What such a policy does to the request, to the response and to ctx is undone when its phase ends; an answer is
-- counted and not given; a sleep takes no time; an error lets the request pass.  What it does elsewhere is real: its
-- own metrics and log lines, what it keeps in dictionaries, and the calls that it makes (for which the request waits).
local abi = require "moongate.abi"
local budget = require "moongate.budget"
local face = require "moongate.face"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local time = require "moongate.time"
local verified = require "moongate.verified"
local wait = require "moongate.wait"

local C, bit = abi.C, require "bit"

local shadow = {}

local LINE_EVERY = 1 -- seconds between two log lines about one use

local outcomes = metrics.counter {
  name = "moongate_policy_shadow_total", labels = { "policy", "phase", "outcome", "code" },
  help = "What policies in the shadow would have done: none, change, answer; or error.",
}

local UNDONE = { "chosen", "details", "flags", "is_local", "shared", "token" } -- of ctx._s

--- Why the policy cannot run so, or nil.
-- @param body what its use wants of bodies (moongate.policy)
function shadow.refusal(policy, body)
  for _, side in ipairs { "request", "response" } do
    local phase = side .. "_body"
    if policy[phase] and body[side] ~= "none" then
      return ("has the phase %s, whose effects cannot be undone"):format(phase)
    end
  end
  for _, side in ipairs { "request", "response" } do
    if body[side] ~= "none" then return ("reads the %s's body, for which the request would wait"):format(side) end
  end
  if not policy.request and not policy.response then return "has only a log phase, where nothing is decided" end
end

local function enter(ctx)
  local state, before = ctx._s, {}
  for _, name in ipairs(UNDONE) do before[name] = state[name] end
  if before.shared then state.shared = verified.shared_copy(state) end
  C.mg_shadow_begin(ctx._x)
  return before
end

-- What the policy would have done, and what it said of it.
local function leave(ctx, before)
  local state, status = ctx._s, ctx._x.status
  local would = { details = state.details ~= before.details and state.details or nil, outcome = "none" }
  local found = C.mg_shadow_end(ctx._x)
  if bit.band(found, C.MG_SHADOW_ANSWER) ~= 0 then
    would.outcome, would.code = "answer", status
  elseif found ~= 0 or state.chosen ~= before.chosen then
    would.outcome = "change"
  end
  for _, name in ipairs(UNDONE) do state[name] = before[name] end
  return would
end

-- One line a second for each use: what it is about, and the first of it.
local function say(use, phase, ctx, would)
  local now = time.monotonic()
  if now < use.silent_until then return end
  use.silent_until = now + LINE_EVERY
  log.info("a policy in the shadow would have done something", { policy = use.name, at = use.at, phase = phase,
    outcome = would.outcome, code = would.code, details = would.details, error = would.error,
    request_id = ctx.request_id, path = ctx.req.path })
end

local function wrap(use, phase, fn)
  return function(conf, held, failure)
    local ctx = face.behind(held)
    local before = enter(ctx)
    local ok, err = xpcall(fn, budget.traceback, conf, held, failure)
    local would = leave(ctx, before)
    if not ok then
      if err == wait.GONE then error(err, 0) end
      budget.blame(ctx, err)
      would.outcome, would.error, would.code = "error", tostring(err), nil
    end
    outcomes:with(use.name, phase, would.outcome, would.code or metrics.ABSENT):add(1)
    if would.outcome ~= "none" then say(use, phase, ctx, would) end
  end
end

--- The module of a policy (moongate.policy) whose phases run in the shadow for one use of it.
-- @param use { name =, at = } of moongate.model
function shadow.wrap(use, policy)
  local own, module = { name = use.name, at = use.at, silent_until = 0 }, {}
  for key, value in pairs(policy) do module[key] = value end
  for _, phase in ipairs { "request", "try", "tried", "response", "log" } do
    module[phase] = policy[phase] and wrap(own, phase, policy[phase])
  end
  function module.explain(...)
    local lines = policy.explain and policy.explain(...) or {}
    table.insert(lines, 1, "runs in the shadow: nothing that it does counts")
    return lines
  end
  return module
end

return shadow
