-- The gateway with the policy chain: RBAC on method and header, split, one response header, and what the policy
-- @COUNTS@ counts: bench_count a labelled counter, the stock policy metrics durations in two histograms, too.
return {
  listeners = { web = { address = "127.0.0.1:@PORT@" } },
  admin = { address = "127.0.0.1:@ADMIN@" },
  services = {
    a = { endpoints = { { address = "127.0.0.1:@A@" } } },
    b = { endpoints = { { address = "127.0.0.1:@B@" } } },
  },
  policies = { "@COUNTS@" },
  routes = {
    {
      name = "all",
      policies = {
        { "rbac", allow = { { methods = { "GET", "HEAD" }, headers = { ["x-user"] = "amy" } } } },
        { "headers", response = { set = { ["x-bench"] = "1" } } },
      },
      backends = { { service = "a", weight = 90 }, { service = "b", weight = 10 } },
    },
  },
}
