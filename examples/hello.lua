-- hello: the smallest gateway: one listener, one route, one policy that answers.
--
--   moongate run examples/hello.lua
--   curl http://127.0.0.1:8080/            Hello from moongate!
--   curl -i http://127.0.0.1:8080/nothing  404: no route
return {
  listeners = { web = { address = "127.0.0.1:8080" } },
  routes = {
    {
      match = { path = { exact = "/" } },
      policies = { { "respond", body = "Hello from moongate!\n" } },
    },
  },
}
