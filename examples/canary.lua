-- canary: a new version for a share of the clients, who stay on their side because the choice hashes their cookie.
--
--   moongate run examples/canary.lua
--   for i in $(seq 20); do curl -s -b user=u$i http://127.0.0.1:8080/; done    about 5 of 20 say v2
--   for i in $(seq 20); do curl -s -b user=amy http://127.0.0.1:8080/; done    all the same
--   for i in $(seq 20); do curl -s http://127.0.0.1:8080/plain; done           9 of 10 say v1: weights, drawn anew
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    v1 = { address = "127.0.0.1:9101" }, -- these two play the service's versions
    v2 = { address = "127.0.0.1:9102" },
  },
  services = {
    shop = {
      endpoints = {
        { address = "127.0.0.1:9101", labels = { version = "v1" } },
        { address = "127.0.0.1:9102", labels = { version = "v2" } },
      },
      subsets = { v1 = { version = "v1" }, v2 = { version = "v2" } },
    },
  },
  routes = {
    {
      name = "by-cookie", listeners = { "web" },
      policies = { { "canary", service = "shop", subset = "v2", percent = 25, cookie = "user" } },
      backends = { { service = "shop", subset = "v1" } },
    },
    {
      name = "by-weight", listeners = { "web" }, match = { path = { exact = "/plain" } },
      backends = { { service = "shop", subset = "v1", weight = 90 }, { service = "shop", subset = "v2", weight = 10 } },
    },
    { name = "v1", listeners = { "v1" }, policies = { { "respond", body = "v1\n" } } },
    { name = "v2", listeners = { "v2" }, policies = { { "respond", body = "v2\n" } } },
  },
}
