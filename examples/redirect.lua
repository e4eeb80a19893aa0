-- redirect: places that have moved, told to the client (redirect) or only to the service (rewrite).
--
--   moongate run examples/redirect.lua
--   curl -i 'http://127.0.0.1:8080/old/cart?id=7'     301 to /shop/cart?id=7
--   curl -i http://127.0.0.1:8080/account             308 to https, where it should have been asked
--   curl http://127.0.0.1:8080/v2/items/7             the service sees /items/7/v2
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    service = { address = "127.0.0.1:8081" }, -- stands for a service of somebody else
  },
  services = { shop = { endpoints = { "127.0.0.1:8081" } } },
  routes = {
    { name = "moved", listeners = { "web" }, match = { path = { prefix = "/old" } },
      policies = { { "redirect", prefix = { from = "/old", to = "/shop" }, status = 301, client_port = true } } },
    { name = "secure", listeners = { "web" }, match = { path = { exact = "/account" } },
      policies = { { "redirect", scheme = "https", host = "shop.example", status = 308 } } },
    { name = "versions", listeners = { "web" }, match = { path = { regex = "/v[0-9]+/.*" } },
      policies = { { "rewrite", regex = { match = "^/(v[0-9]+)(/.*)$", rewrite = [[\2/\1]] } } },
      backends = { { service = "shop" } } },
    { name = "shop", listeners = { "service" },
      policies = { { "headers", response = { set = { ["x-asked"] = "%REQ(:PATH)%" } }, templates = true },
                   { "respond", body = "see x-asked\n" } } },
  },
}
