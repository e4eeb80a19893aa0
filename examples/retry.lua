-- retry: trying again, here by example of a service of two endpoints, one of which does not answer.
--
--   moongate run examples/retry.lua
--   for i in 1 2 3 4; do curl -i http://127.0.0.1:8080/; done          200 each time, from the one that runs
--   for i in 1 2 3 4; do curl -i http://127.0.0.1:8080/busy; done      503 after three tries each
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    service = { address = "127.0.0.1:8081" }, -- stands for a service of somebody else
  },
  services = {
    shop = { endpoints = { "127.0.0.1:8081", "127.0.0.1:8082" } }, -- nobody listens on the second
  },
  policies = { { "access_log", format = "%REQ(:PATH)% %RESPONSE_CODE% tries: %UPSTREAM_REQUEST_ATTEMPT_COUNT%" } },
  routes = {
    {
      name = "shop", listeners = { "web" }, backends = { { service = "shop" } },
      retries = { attempts = 2, on = { "connect-failure", "503" }, back_off = "10ms" },
      per_try_timeout = "2s", timeout = "5s",
    },
    { name = "busy", listeners = { "service" }, match = { path = { exact = "/busy" } },
      policies = { { "respond", status = 503, body = "not now\n" } } },
    { name = "open", listeners = { "service" }, policies = { { "respond", body = "welcome\n" } } },
  },
}
