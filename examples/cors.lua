-- cors: which other sites may call from a browser. The shop's own sites may, with cookies; anybody may read the prices.
-- A browser asks first (a preflight); what it may not do it does not even send.
--
--   moongate run examples/cors.lua
--   curl -i -X OPTIONS -H 'origin: https://pay.shop.example' -H 'access-control-request-method: PUT' \
--     http://127.0.0.1:8080/cart                                                200: may, with PUT
--   curl -i -X OPTIONS -H 'origin: https://evil.example' -H 'access-control-request-method: PUT' \
--     http://127.0.0.1:8080/cart                                                200 without a word: may not
--   curl -i -H 'origin: https://any.example' http://127.0.0.1:8080/prices       200: any site may read that
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  routes = {
    { name = "cart", match = { path = { prefix = "/cart" } },
      policies = {
        { "cors", allow_origins = { "https://shop.example", "https://*.shop.example" },
          allow_methods = { "PUT", "DELETE" }, allow_headers = { "content-type" }, allow_credentials = true,
          max_age = "10m" },
        { "respond", body = "your cart\n" },
      } },
    { name = "prices", match = { path = { prefix = "/prices" } },
      policies = { { "cors", allow_origins = { "*" }, expose_headers = { "etag" } },
                   { "respond", body = "12.50\n", headers = { etag = '"7"' } } } },
  },
}
