-- mirror: the next version of the shop gets a copy of each order, and its answers go nowhere.
--
--   moongate run examples/mirror.lua
--   curl -d tea http://127.0.0.1:8080/orders       200 ordered: the shop's answer, whatever the next version says
--   curl http://127.0.0.1:15020/stats/prometheus   moongate_mirrored_requests_total counts the copies
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
    next = { address = "127.0.0.1:9102" }, -- plays its next version
  },
  admin = { address = "127.0.0.1:15020" },
  services = {
    shop = { endpoints = { "127.0.0.1:9101" } },
    next = { endpoints = { "127.0.0.1:9102" } },
  },
  routes = {
    { name = "orders", listeners = { "web" }, match = { path = { prefix = "/orders" } },
      backends = { { service = "shop" } },
      policies = { { "mirror", service = "next", percent = 100 } } },
    { name = "shop", listeners = { "shop" }, policies = { { "respond", body = "ordered\n" } } },
    { name = "next", listeners = { "next" }, policies = { { "respond", status = 500, body = "not ready\n" } } },
  },
}
