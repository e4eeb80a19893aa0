-- api_key: who is asking, by keys of which the file examples/api_key.keys has the hashes.
--
--   moongate run examples/api_key.lua
--   curl -i http://127.0.0.1:8080/                                    401: no key
--   curl -i -H 'x-api-key: letmein' http://127.0.0.1:8080/            401: no key of ours
--   curl -i -H 'x-api-key: open-sesame' http://127.0.0.1:8080/        200: hello, ada
--   curl -i 'http://127.0.0.1:8080/?key=open-sesame'                  the same
-- Add a line for a key of your own while it runs: printf %s MY-KEY | sha256sum
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    {
      name = "shop", listeners = { "web" },
      policies = { { "api_key", file = "examples/api_key.keys", from_headers = { { name = "x-api-key" } },
        from_params = { "key" } } },
      backends = { { service = "shop" } },
    },
    { name = "ada", listeners = { "shop" }, match = { headers = { ["x-consumer"] = "ada" } },
      policies = { { "respond", body = "hello, ada\n" } } },
    { name = "others", listeners = { "shop" }, policies = { { "respond", status = 403, body = "who?\n" } } },
  },
}
