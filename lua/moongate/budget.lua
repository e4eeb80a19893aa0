--- budget: what policies may use up, who it was that did, and what became of it.
--
-- The core looks at a lane that runs on (core/script/budget.h): it calls budget.look() every few milliseconds, and
-- raises what that returns. The error is the text for the log; nothing that a policy could call catches it
-- (moongate.protected).
local bounded = require "moongate.bounded"
local context = require "moongate.ctx"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local protected = require "moongate.protected"
local wait = require "moongate.wait"

local budget = {}

local FIRST_LOOK = 5 -- ms that a call has run at least when it is looked at first
local NO_MEMORY = "not enough memory" -- LuaJIT's own words

local errors = metrics.counter {
  name = "moongate_policy_errors_total", labels = { "policy", "phase", "kind" },
  help = "Errors of policies; each such request was answered 500 or cut, unless the use says on_error = skip.",
}

-- ---- who runs -----------------------------------------------------------------------------

-- The policy at the chain's position that runs, and its budget (nil: that of the model).
local function running(state)
  local chain, i = state.chain, state.i
  if chain and chain.names[i] then return chain.names[i], chain.budgets[i] end
  local inner = state.backend and state.backend.chain
  if inner and inner.names[i] then return inner.names[i], inner.budgets[i] end
  return state.owner or "moongate"
end

--- The name of the policy that runs in a ctx, or "moongate".
function budget.owner(ctx) return (running(ctx._s)) end

-- ---- time ---------------------------------------------------------------------------------

local seen = { turn = 0, i = 0, phase = "", began = 0 }

-- Whether it is the call that was looked at before: lanes run in turns, and in one turn policies follow each other.
local function goes_on(turn, state)
  return seen.turn == turn and seen.i == state.i and seen.phase == state.phase
end

--- Called by the core while a lane runs on.
-- @param lane coroutine; @param turn a number of each time that a lane was let run; @param ms of CPU time of the thread
-- @return the error to be raised, or nil
function budget.look(lane, turn, ms)
  if bounded.is_under_way() then return bounded.look(lane, ms) end
  local ctx = context.of(lane)
  if not ctx then return nil end
  local state = ctx._s
  if not goes_on(turn, state) then
    seen.turn, seen.i, seen.phase, seen.began = turn, state.i, state.phase, ms - FIRST_LOOK
  end
  local _, own = running(state)
  local most = own or state.model and state.model.source.budgets.cpu
  if not most or ms - seen.began < most then return nil end
  protected.breach = debug.traceback(lane, ("used up its budget of %d ms of CPU time"):format(most))
  return protected.breach
end

-- ---- what became of it --------------------------------------------------------------------

local function kind_of(err)
  if protected.breach then return "cpu" end
  return tostring(err):find(NO_MEMORY, 1, true) and "memory" or "error"
end

--- What xpcall is to be given: an error with its stack.  GONE stays itself.
function budget.traceback(err)
  if protected.breach or err == wait.GONE then return protected.breach or err end
  return debug.traceback(tostring(err), 2)
end

--- Counts and logs the error of the policy that runs; what runs next has a budget of its own.
function budget.blame(ctx, err)
  local policy, phase, kind = budget.owner(ctx), ctx._s.phase, kind_of(err)
  err, protected.breach, seen.turn = protected.breach or err, false, 0
  errors:with(policy, phase, kind):add(1)
  log.error("a policy raised",
    { policy = policy, phase = phase, kind = kind, request_id = ctx.request_id, error = err })
end

return budget
