-- rate_limit: three requests a minute for each client, ten for a tenant that says who it is.
--
--   moongate run examples/rate_limit.lua
--   for i in 1 2 3 4; do curl -i http://127.0.0.1:8080/; done                       three of 200, then 429
--   for i in 1 2 3; do curl -i -H 'x-tenant: blue' http://127.0.0.1:8080/tenants; done    two at once, then 429
-- All workers count together.  With redis = { address = "127.0.0.1:6379" } all gateways that ask it do.
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  routes = {
    { name = "tenants", match = { path = { prefix = "/tenants" } },
      policies = {
        { "rate_limit", name = "tenants", limit = 10, per = "1m", burst = 2, key = { "header:x-tenant", "route" } },
        { "respond", body = "welcome\n" },
      } },
    { name = "clients",
      policies = {
        { "rate_limit", name = "clients", limit = 3, per = "1m", algorithm = "sliding_window" },
        { "respond", body = "welcome\n" },
      } },
  },
}
