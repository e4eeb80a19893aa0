-- fault: delays and errors on purpose, to see what callers make of them; here for one user and for one path.
--
--   moongate run examples/fault.lua
--   time curl http://127.0.0.1:8080/                    at once
--   time curl -H 'user: Amy' http://127.0.0.1:8080/     after 2 seconds
--   for i in $(seq 20); do curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/flaky; done   half 503
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  policies = { { "access_log", format = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION%ms" } },
  routes = {
    {
      name = "slow", match = { headers = { user = "Amy" } },
      policies = { { "fault", delay = { fixed = "2s" } }, { "respond", body = "late\n" } },
    },
    {
      name = "flaky", match = { path = { exact = "/flaky" } },
      policies = { { "fault", abort = { status = 503, percent = 50 } }, { "respond", body = "lucky\n" } },
    },
    { name = "rest", policies = { { "respond", body = "at once\n" } } },
  },
}
