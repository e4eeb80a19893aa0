--- retry: when a try is repeated, and how long to wait before (Istio's HTTPRetry and Envoy's retry policy).
local failure = require "moongate.failure"

local retry = {}

-- gRPC statuses by the names of Envoy's conditions; they count where an answer's head has them.
local GRPC = { cancelled = "1", ["deadline-exceeded"] = "4", ["resource-exhausted"] = "8", internal = "13",
  unavailable = "14" }
local GATEWAY_ERRORS = { [502] = true, [503] = true, [504] = true }

-- Conditions as sets, made once a route.  no_response: kinds of failed tries; status(code): answers.
local function conditions(on)
  local set, codes, grpc = {}, {}, nil
  for _, name in ipairs(on) do
    local code = tonumber(name)
    if code then codes[code] = true else set[name] = true end
    if GRPC[name] then
      grpc = grpc or {}
      grpc[GRPC[name]] = true
    end
  end
  local any = set["5xx"] or set["gateway-error"] or set.reset
  return {
    grpc = grpc, ratelimited = set["envoy-ratelimited"],
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
  plan.avoids_tried = retries.avoid_tried
  plan.buffer = retries.buffer
  plan.base = retries.back_off
  plan.cap = retries.max_back_off
  return plan
end

-- An answer that says it comes of a rate limit is tried again only where that is asked for.
local function is_limited(headers) return headers:get "x-envoy-ratelimited" ~= nil end

local function worth_by_head(plan, status, headers)
  if plan.ratelimited and is_limited(headers) then return true end
  local answered = plan.answered(status) or plan.grpc and plan.grpc[headers:get "grpc-status"]
  return answered and not is_limited(headers) or false
end

--- Whether the outcome `rc` (0: answered with `status` and `headers`) is worth another try.
function retry.worth(plan, rc, status, headers)
  if rc == 0 then return worth_by_head(plan, status, headers) end
  return plan.kinds[failure.kind(rc)] or false
end

--- Milliseconds before retry number `n` (from 1): exponential with full jitter.
function retry.back_off(plan, n)
  local most = math.min(plan.cap, plan.base * 2 ^ (n - 1))
  return math.floor(math.random() * most)
end

return retry
