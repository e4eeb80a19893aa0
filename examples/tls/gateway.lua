-- tls: HTTPS for everybody on one port; on another, mutual TLS, where the client's certificate says who it is.
--
--   sh examples/tls/make-certs                 makes a CA and three certificates in examples/tls/certs
--   moongate run examples/tls/gateway.lua
--   cd examples/tls/certs
--   curl --cacert ca.crt https://localhost:8443/                                                  hello over TLS
--   curl --cacert ca.crt https://localhost:8444/                        no answer: a certificate is asked for
--   curl --cacert ca.crt --cert sleep.crt --key sleep.key https://localhost:8444/                 hello, sleep
--   curl --cacert ca.crt --cert other.crt --key other.key https://localhost:8444/                 403
return {
  listeners = {
    open = {
      address = "127.0.0.1:8443",
      tls = { cert = "certs/server.crt", key = "certs/server.key" },
    },
    mutual = {
      address = "127.0.0.1:8444",
      tls = { cert = "certs/server.crt", key = "certs/server.key",
              client_ca = "certs/ca.crt", client_auth = "require" },
    },
  },
  routes = {
    { name = "open", listeners = { "open" }, policies = { { "respond", body = "hello over TLS\n" } } },
    {
      name = "mutual", listeners = { "mutual" },
      policies = {
        { "rbac", allow = { { principals = { "cluster.local/ns/default/sa/sleep" } } } },
        { "respond", body = "hello, sleep\n" },
      },
    },
  },
}
