--- retry: when a try is repeated, and how long to wait before (Istio's HTTPRetry and Envoy's retry policy).
local failure = require "moongate.failure"

local retry = {}

local GATEWAY_ERRORS = { [502] = true, [503] = true, [504] = true }

-- Conditions as sets, made once a route.  no_response: kinds of failed tries; status(code): answers.
local function conditions(on)
  local set, codes = {}, {}
  for _, name in ipairs(on) do
    local code = tonumber(name)
    if code then codes[code] = true else set[name] = true end
  end
  local any = set["5xx"] or set["gateway-error"] or set.reset
  return {
    kinds = {
      ["connect-failure"] = any or set["connect-failure"],
      reset = any,
      ["per-try-timeout"] = any,
    },
    answered = function(status)
      return codes[status] or (set["5xx"] and status >= 500) or (set["gateway-error"] and GATEWAY_ERRORS[status])
        or (set["retriable-4xx"] and status == 409) or false
    end,
  }
end

--- The retry plan of a route's `retries` (see moongate.model); nil stays nil.
function retry.new(retries)
  if not retries or retries.attempts == 0 then return nil end
  local plan = conditions(retries.on)
  plan.attempts = retries.attempts
  plan.counts_resets = plan.kinds.reset or false
  plan.buffer = retries.buffer
  plan.base = retries.back_off
  plan.cap = retries.max_back_off
  return plan
end

--- Whether the outcome `rc` (0: answered with `status`) is worth another try.
function retry.worth(plan, rc, status)
  if rc == 0 then return plan.answered(status) end
  return plan.kinds[failure.kind(rc)] or false
end

--- Milliseconds before retry number `n` (from 1): exponential with full jitter.
function retry.back_off(plan, n)
  local most = math.min(plan.cap, plan.base * 2 ^ (n - 1))
  return math.floor(math.random() * most)
end

return retry
