-- rbac: who may do what.  Everybody may read the shop, only staff may change it, and nobody gets at /internal.
--
--   moongate run examples/rbac.lua
--   curl -i http://127.0.0.1:8080/cart                                    200
--   curl -i -X DELETE http://127.0.0.1:8080/cart                          403 RBAC: access denied
--   curl -i -X DELETE -H 'x-role: staff' http://127.0.0.1:8080/cart       200
--   curl -i -H 'x-role: staff' http://127.0.0.1:8080/internal/keys        403: `deny` is asked first
-- With mutual TLS the rules would name identities: principals = { "cluster.local/ns/default/sa/sleep" }.
return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    {
      name = "shop", listeners = { "web" },
      policies = {
        { "rbac",
          deny = { { id = "internal", paths = { "/internal/*" } } },
          allow = {
            { id = "read", methods = { "GET", "HEAD" } },
            { id = "staff", methods = { "PUT", "POST", "DELETE" }, headers = { ["x-role"] = "staff" } },
          } },
      },
      backends = { { service = "shop" } },
    },
    { name = "service", listeners = { "shop" }, policies = { { "respond", body = "done\n" } } },
  },
}
