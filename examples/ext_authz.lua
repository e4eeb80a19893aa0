-- ext_authz: another service decides who may pass.  It is asked about everything but /open, and what it says about the
-- user goes on to the shop.
--
--   moongate run examples/ext_authz.lua
--   curl -i http://127.0.0.1:8080/cart                                    401 who are you?
--   curl -i -H 'authorization: Bearer ada' http://127.0.0.1:8080/cart     200 hello, ada
--   curl -i http://127.0.0.1:8080/open                                    200: nobody is asked
--   curl -i -H 'x-user: ada' http://127.0.0.1:8080/open                   200 hello, but to nobody: that is no proof
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
    authz = { address = "127.0.0.1:9102" }, -- plays the one that decides
  },
  services = {
    shop = { endpoints = { { address = "127.0.0.1:9101" } } },
    authz = { endpoints = { { address = "127.0.0.1:9102" } } },
  },
  routes = {
    {
      name = "shop", listeners = { "web" }, backends = { { service = "shop" } },
      policies = {
        { "headers", request = { remove = { "x-user", "x_user" } } }, -- only the service that decides may say that
        { "ext_authz", service = "authz", path_prefix = "/check", rules = { { not_paths = { "/open" } } },
          upstream_headers = { "x-user" } },
      },
    },
    { name = "greeting", listeners = { "shop" }, match = { headers = { ["x-user"] = "ada" } },
      policies = { { "respond", body = "hello, ada\n" } } },
    { name = "service", listeners = { "shop" }, policies = { { "respond", body = "hello\n" } } },
    { name = "known", listeners = { "authz" }, match = { headers = { authorization = "Bearer ada" } },
      policies = { { "respond", headers = { ["x-user"] = "ada" } } } },
    { name = "unknown", listeners = { "authz" }, policies = { { "respond", status = 401, body = "who are you?\n" } } },
  },
}
