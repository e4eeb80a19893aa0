--- retries: when a route of a VirtualService is tried again.
-- Rules: HTTPRetry (networking.istio.io), and what Istio does where a route says nothing.
local path_to = require "moongate.config.manifests.path"

local retries = {}

-- Istio's default: connections that could not be made, and what a gRPC service says it did not begin.
local DEFAULT = { attempts = 2, on = "connect-failure,refused-stream,unavailable,cancelled", back_off = 25 }

-- Conditions as the model's; false: they need HTTP/2, HTTP/3 or headers that nobody can name here, so they never hold.
local CONDITIONS = {
  ["5xx"] = "5xx", ["gateway-error"] = "gateway-error", reset = "reset", ["connect-failure"] = "connect-failure",
  ["reset-before-request"] = "connect-failure", ["retriable-4xx"] = "retriable-4xx",
  ["envoy-ratelimited"] = "envoy-ratelimited", cancelled = "cancelled", ["deadline-exceeded"] = "deadline-exceeded",
  internal = "internal", ["resource-exhausted"] = "resource-exhausted", unavailable = "unavailable",
  ["retriable-status-codes"] = false, ["retriable-headers"] = false, ["refused-stream"] = false,
  ["http3-post-connect-failure"] = false,
}

local function unknown(token)
  local known = {}
  for name in pairs(CONDITIONS) do known[#known + 1] = name end
  table.sort(known)
  return ("%s is no condition; status codes and %s are"):format(token, table.concat(known, ", "))
end

local function conditions(object, path, text)
  local list, seen = {}, {}
  for token in text:gmatch("[^,%s]+") do
    local name = CONDITIONS[token]
    if token:find("^[1-5]%d%d$") then name = token end
    if name == nil then object:refuse(path, unknown(token)) end
    if name and not seen[name] then
      seen[name] = true
      list[#list + 1] = name
    end
  end
  return list
end

local function plan(attempts, on, base)
  return { attempts = attempts, on = on, back_off = base, max_back_off = base * 10 }
end

--- The retries of a route that nobody wrote.
function retries.default()
  return plan(DEFAULT.attempts, conditions(nil, nil, DEFAULT.on), DEFAULT.back_off)
end

--- @param path of `said`; @param said an HTTPRetry or nil
-- @return retries of the model (nil: none) and the time of one try in milliseconds (nil: no limit)
function retries.convert(object, path, said)
  if not said then return retries.default() end
  local text = (said.retryOn or "") ~= "" and said.retryOn or DEFAULT.on
  local on = conditions(object, path_to(path, "retryOn"), text)
  if said.attempts == 0 and (said.perTryTimeout or (said.retryOn or "") ~= "" or said.retryRemoteLocalities ~= nil) then
    object:refuse(path_to(path, "attempts"),
      "is 0, so there are no retries; expected a number beside what is said of them")
  end
  if said.attempts == 0 then return nil end -- and no time limit of a try, which is part of Envoy's retry policy
  if #on == 0 then return nil, said.perTryTimeout end
  local made = plan(said.attempts, on, said.backoff or DEFAULT.back_off)
  made.avoid_tried = said.retryIgnorePreviousHosts
  return made, said.perTryTimeout
end

return retries
