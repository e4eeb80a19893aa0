-- purchase-history-v2: calls nobody, and answers with its name.
return {
  listeners = { http = { address = "127.0.11.4:8080" } },
  routes = { { policies = { { "answer", name = "purchase-history-v2" } } } },
}
