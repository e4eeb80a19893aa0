-- resilience: an endpoint that fails is left out for a while, requests keep to limits, clients to their endpoint.
--
--   moongate run examples/resilience.lua
--   for i in $(seq 12); do curl -s http://127.0.0.1:8080/; done            "broken" at most twice, then it is left out
--   for i in $(seq 5); do curl -s http://127.0.0.1:8080/slow & done; wait    2 are served, 3 are too many at once: 503
--   for i in $(seq 5); do curl -s -b seat=7 http://127.0.0.1:8080/seat; done    always the same one
--   curl -si http://127.0.0.1:8080/seat | grep -i set-cookie                 a client without a seat gets one
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    good = { address = "127.0.0.1:9101" }, -- these three play the endpoints
    other = { address = "127.0.0.1:9102" },
    broken = { address = "127.0.0.1:9103" },
  },
  services = {
    shop = {
      endpoints = { "127.0.0.1:9101", "127.0.0.1:9103" },
      outlier_detection = { consecutive_5xx = 2, base_ejection_time = "30s", max_ejection_percent = 50 },
    },
    slow = {
      endpoints = { "127.0.0.1:9101" },
      circuit_breaker = { max_requests = 2 },
    },
    seats = {
      endpoints = { "127.0.0.1:9101", "127.0.0.1:9102" },
      balance = { kind = "consistent_hash", cookie = "seat", cookie_ttl = "1h", cookie_path = "/" },
    },
  },
  routes = {
    { name = "shop", listeners = { "web" }, backends = { { service = "shop" } } },
    { name = "slow", listeners = { "web" }, match = { path = { exact = "/slow" } },
      backends = { { service = "slow" } } },
    { name = "seat", listeners = { "web" }, match = { path = { exact = "/seat" } },
      backends = { { service = "seats" } } },
    { name = "good-slow", listeners = { "good" }, match = { path = { exact = "/slow" } },
      policies = { { "fault", delay = { fixed = "1s" } }, { "respond", body = "slow\n" } } },
    { name = "good", listeners = { "good" }, policies = { { "respond", body = "good\n" } } },
    { name = "other", listeners = { "other" }, policies = { { "respond", body = "other\n" } } },
    { name = "broken", listeners = { "broken" }, policies = { { "respond", status = 500, body = "broken\n" } } },
  },
}
