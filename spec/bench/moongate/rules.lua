-- The gateway with @COUNT@ RBAC rules, each for another user.
local allow = {}
for i = 1, tonumber("@COUNT@") do
  allow[i] = { methods = { "GET" }, headers = { ["x-user"] = "user-" .. i } }
end

return {
  listeners = { web = { address = "127.0.0.1:@PORT@" } },
  admin = { address = "127.0.0.1:@ADMIN@" },
  services = { both = { endpoints = { { address = "127.0.0.1:@A@" } } } },
  routes = {
    { name = "all", policies = { { "rbac", allow = allow } }, backends = { { service = "both" } } },
  },
}
