-- purchase-history-v1: calls nobody, and answers with its name.
return {
  listeners = { http = { address = "127.0.11.3:8080" } },
  routes = { { policies = { { "answer", name = "purchase-history-v1" } } } },
}
