-- cors: which other sites may call from a browser. The shop's own sites may, with cookies; anybody may read the prices.
--
--   moongate run examples/cors.lua
--   curl -i -H 'origin: https://pay.shop.example' http://127.0.0.1:8080/cart     200, and that site may read it
--   curl -i -H 'origin: https://evil.example' http://127.0.0.1:8080/cart         200 without a word: it may not
--   curl -i -H 'origin: https://any.example' http://127.0.0.1:8080/prices        200, and any site may read that
-- A browser asks before it sends what could do harm (a preflight):
--   curl -i -X OPTIONS -H 'origin: https://shop.example' -H 'access-control-request-method: PUT' 127.0.0.1:8080/cart
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
