-- The gateway, nothing but the passing on.
return {
  listeners = { web = { address = "127.0.0.1:@PORT@" } },
  admin = { address = "127.0.0.1:@ADMIN@" },
  services = { both = { endpoints = { { address = "127.0.0.1:@A@" } } } },
  routes = { { name = "all", backends = { { service = "both" } } } },
}
