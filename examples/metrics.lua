-- metrics: what was asked, what came back, how long it took, for Prometheus; under moongate's names and Istio's.
--
--   moongate run examples/metrics.lua
--   curl http://127.0.0.1:8080/; curl http://127.0.0.1:8080/nothing
--   curl -s http://127.0.0.1:15020/stats/prometheus | grep -e moongate_requests -e istio_requests
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service
  },
  admin = { address = "127.0.0.1:15020" },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  policies = { "metrics" }, -- around every route, and around requests that no route takes
  routes = {
    {
      name = "shop", listeners = { "web" }, match = { path = { exact = "/" } },
      policies = {
        { "metrics", native = false, istio = {
          reporter = "destination", cluster = "local",
          destination = { service = "shop.default.svc.cluster.local", service_name = "shop",
                          service_namespace = "default", workload = "shop", workload_namespace = "default" },
          sources = { by_address = { ["127.0.0.1"] = { workload = "curl", workload_namespace = "default" } } },
        } },
      },
      backends = { { service = "shop" } },
    },
    { name = "service", listeners = { "shop" }, policies = { { "respond", body = "counted\n" } } },
  },
}
