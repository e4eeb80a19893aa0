-- traceparent: a trace from the client through the gateway to the service, and spans of it to a collector.
--
--   moongate run examples/traceparent.lua
--   curl http://127.0.0.1:8080/            a trace begun by the gateway
--   curl -H 'traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01' http://127.0.0.1:8080/   that trace
-- A collector that listens at port 4318 (OTLP/HTTP: Jaeger, Tempo, the OpenTelemetry Collector) gets two spans of each;
-- without one the gateway serves on, and says once that nobody takes them.
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    { name = "shop", listeners = { "web" },
      policies = { { "traceparent", url = "http://127.0.0.1:4318/v1/traces", name = "edge" } },
      backends = { { service = "shop" } } },
    { name = "same", listeners = { "shop" },
      match = { headers = { traceparent = { prefix = "00-4bf92f3577b34da6a3ce929d0e0e4736-" } } },
      policies = { { "respond", body = "the trace of the client\n" } } },
    { name = "new", listeners = { "shop" }, match = { headers = { traceparent = { prefix = "00-" } } },
      policies = { { "respond", body = "a trace of the gateway\n" } } },
  },
}
