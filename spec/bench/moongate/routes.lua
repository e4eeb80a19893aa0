-- The gateway with @COUNT@ routes: the even ones by host, the odd ones by path.
local routes = {}
for i = 1, tonumber("@COUNT@") do
  local by_host = i % 2 == 0
  routes[i] = {
    name = "route-" .. i,
    hosts = by_host and { "host-" .. i .. ".example" } or nil,
    match = not by_host and { path = { prefix = "/route-" .. i .. "/" } } or nil,
    backends = { { service = "both" } },
  }
end

return {
  listeners = { web = { address = "127.0.0.1:@PORT@" } },
  admin = { address = "127.0.0.1:@ADMIN@" },
  services = { both = { endpoints = { { address = "127.0.0.1:@A@" } } } },
  routes = routes,
}
