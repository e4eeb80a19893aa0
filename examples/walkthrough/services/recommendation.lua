-- recommendation: calls nobody, and answers with its name.
return {
  listeners = { http = { address = "127.0.11.2:8080" } },
  routes = { { policies = { { "answer", name = "recommendation" } } } },
}
