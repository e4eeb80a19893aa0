-- The gateway as in chain.lua, less the checks, with @COUNT@ series to be scraped.
return {
  listeners = { web = { address = "127.0.0.1:@PORT@" } },
  admin = { address = "127.0.0.1:@ADMIN@" },
  services = { both = { endpoints = { { address = "127.0.0.1:@A@" } } } },
  policies = { "metrics", { "bench_series", count = tonumber("@COUNT@") } },
  routes = { { name = "all", backends = { { service = "both" } } } },
}
