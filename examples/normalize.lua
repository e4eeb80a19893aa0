-- normalize: one spelling for paths that mean the same, so that no rule is passed by writing a path differently.
--
--   moongate run examples/normalize.lua
--   curl -i --path-as-is http://127.0.0.1:8080/open/../internal      403: the listener has made it /internal
--   curl -i http://127.0.0.1:8080/open/%2e%2e/internal               403
--   curl -i http://127.0.0.1:8080/open/%00                           400
--   curl -i --path-as-is http://127.0.0.1:8080/open//a/./b           200: the service sees /open/a/b
--   curl -i --path-as-is http://127.0.0.1:8081/open/../internal      403: by the policy, after the route is chosen
return {
  listeners = {
    web = { address = "127.0.0.1:8080", path_normalization = "merge_slashes" },
    plain = { address = "127.0.0.1:8081" },
    service = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { service = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    {
      name = "open", listeners = { "web" }, match = { path = { prefix = "/open" } },
      backends = { { service = "service" } },
    },
    { name = "rest", listeners = { "web" }, policies = { { "respond", status = 403 } } },
    {
      name = "plain", listeners = { "plain" },
      policies = { { "normalize", mode = "merge_slashes" }, { "rbac", allow = { { paths = { "/open/*" } } } } },
      backends = { { service = "service" } },
    },
    { name = "service", listeners = { "service" }, policies = { { "respond", body = "here\n" } } },
  },
}
