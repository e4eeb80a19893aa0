--- claims: tokens are checked before there is a route, where routes of a gateway ask for their claims.
-- Rule: Istio's "JWT claim based routing" (header names that begin with @request.auth.claims).
local claims = {}

local JWT = "jwt" -- the policy

local function listener_of(draft, name)
  for _, listener in ipairs(draft.listeners) do
    if listener.name == name then return listener end
  end
end

-- Takes the uses of policy jwt out of a route's policies; the last one, or nil.
local function take_out(route)
  local found
  for i = #route.policies, 1, -1 do
    if route.policies[i].name == JWT then found = table.remove(route.policies, i) end
  end
  return found
end

--- Moves policy jwt from the routes of a listener to the listener itself, if some route asks for claims.
-- @param draft of the model, with the listener and its routes
-- @param claimants array of { VirtualService, path of a match that asks for claims }
function claims.admit(draft, name, claimants)
  if #claimants == 0 then return end
  local listener = listener_of(draft, name)
  for _, route in ipairs(draft.routes) do
    local use = route.listeners[1] == name and take_out(route)
    if use then listener.policies = { use } end
  end
  for _, claimant in ipairs(listener.policies and {} or claimants) do
    claimant[1]:warn(claimant[2], "asks for claims of a token, and no RequestAuthentication checks any at the gateway")
  end
end

return claims
