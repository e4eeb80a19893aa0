--- no_route: the route that answers 404 where no other takes a request, to those alone whom the policies let in: Envoy
-- asks its filters about every request, whether or not there is a route for it. Policies, metrics and logs see none.

--- @param uses of the policies that guard the listener, or nil
-- @param at where the listener is written
return function(uses, at)
  local list = {}
  for i, use in ipairs(uses or {}) do list[i] = use end
  list[#list + 1] = { name = "respond", conf = { status = 404, flag = "NR", details = "route_not_found" }, at = at }
  return { name = "no route", at = at, policies = list, unrouted = true }
end
