--- service: the schema of a service in the Lua config (see moongate.config.fields).
local function with(field, extra)
  for key, value in pairs(extra) do field[key] = value end
  return field
end

local endpoint = {
  { "address", type = "string", required = true,
    doc = "\"host:port\" (names are resolved and kept fresh) or unix:/path." },
  { "labels", type = "map", values = { type = "string" }, doc = "What subsets select by." },
  { "weight", type = "integer", min = 0, max = 65535, doc = "Share among the endpoints; 0: none." },
  { "priority", type = "integer", min = 0, max = 127, doc = "0 first; higher ones take what these cannot." },
  { "workload", type = "any", doc = "Names for the metrics." },
}

local warmup = {
  { "duration", type = "duration", min = 1, required = true, doc = "Until a new endpoint gets its whole share." },
  { "minimum_percent", type = "number", min = 0, max = 100, doc = "Of its share, at first." },
  { "aggression", type = "number", min = 0.01, max = 100, doc = "1: the share grows evenly; more: sooner." },
}

local balance = {
  { "kind", type = "string", doc = "round_robin, least_request, random or consistent_hash." },
  { "algorithm", type = "string", one_of = { "ring", "maglev" }, doc = "How consistent_hash spreads its keys." },
  { "header", type = "string", doc = "Hash the value of this request header." },
  { "cookie", type = "string", doc = "Hash the value of this cookie." },
  { "cookie_ttl", type = "duration", doc = "Give a client without the cookie one that lives so long; 0: the session." },
  { "cookie_path", type = "string", pattern = "^/[^;%c]*$", doc = "Path of such a cookie." },
  with({ "cookie_attributes", doc = "More attributes of it, such as \"SameSite=Lax\"." },
    { type = "list", items = { type = "string", pattern = "^[^;,%c]+$" } }),
  { "source_address", type = "boolean", doc = "Hash the client's address." },
  { "query", type = "string", min = 1, doc = "Hash the value of this query parameter." },
  { "ring_size", type = "integer", min = 1, max = 65536, doc = "Points on the ring, at least." },
  { "table_size", type = "integer", min = 2, max = 655373, doc = "Of maglev's table; a prime." },
  { "warmup", type = "record", fields = warmup, doc = "A new endpoint gets less at first." },
}

local service_tls = {
  { "ca", type = "string", doc = "File with the authorities to trust; absent: the system's." },
  { "cert", type = "string", doc = "File with our certificate chain, for mutual TLS." },
  { "key", type = "string", doc = "File with our private key." },
  { "sni", type = "string", doc = "Name to send and to verify; absent: the address's." },
  with({ "verify", doc = "Subject alternative names, of which one is to be found instead of the name." },
    { type = { "string", "list" }, items = { type = "string", min = 1 } }),
  { "insecure", type = "boolean", doc = "Skip verification." },
}

local keepalive = {
  { "idle", type = "duration", doc = "Silence before the first probe; absent: the system's." },
  { "interval", type = "duration", doc = "Between probes; absent: the system's." },
  { "probes", type = "integer", min = 1, max = 127, default = 9, doc = "Unanswered ones that end the connection." },
}

local pool = {
  { "connect_timeout", type = "duration", min = 1, doc = "For the connection and its TLS handshake." },
  { "idle_timeout", type = "duration", min = 1, doc = "How long an unused connection is kept." },
  { "max_idle", type = "integer", min = 0, max = 65535, doc = "Unused connections kept, per endpoint and worker." },
  { "max_requests", type = "integer", min = 0, max = 4294967295, doc = "Requests of one connection; 0: no limit." },
  { "max_connections", type = "integer", min = 0, max = 4294967295, doc = "Per endpoint and worker; 0: no limit." },
  { "max_age", type = "duration", doc = "Longest life of a connection; 0: no limit." },
  { "keepalive", type = "record", fields = keepalive, doc = "Probe silent connections (TCP keep-alive)." },
}

local function limit(name, doc)
  return { name, type = "integer", min = 0, max = 4294967295, doc = doc }
end

local circuit_breaker = {
  limit("max_connections", "Connections; past it requests wait for one; 0: no limit."),
  limit("max_pending", "Requests that wait for a connection; 0: no limit."),
  limit("max_requests", "Requests in progress; 0: no limit."),
  limit("max_retries", "Of these: second and later tries; 0: no limit."),
  { "retry_budget_percent", type = "number", min = 0, max = 100,
    doc = "In place of max_retries: share of the requests in progress; 0: none." },
  limit("retry_budget_min", "Retries that the budget always allows."),
}

local success_rate = {
  { "minimum_hosts", type = "integer", min = 1, max = 65535, doc = "With fewer that have enough requests: nobody." },
  { "request_volume", type = "integer", min = 1, max = 4294967295, doc = "Requests of an interval that are enough." },
  { "stdev_factor", type = "number", min = 0, max = 100, doc = "Standard deviations below the mean." },
}

local health_check = {
  { "kind", type = "string", one_of = { "http", "tcp" }, doc = "A request, or a connection alone." },
  { "path", type = "string", doc = "Of the request, a GET." },
  { "host", type = "string", min = 1, pattern = "^[^%s%c/@]+$", doc = "Of the request; absent: the address." },
  { "statuses", type = "list", items = { type = "integer", min = 100, max = 599 }, min = 1, doc = "That are well." },
  { "interval", type = "duration", min = 100, doc = "Between two checks, and up to a tenth more." },
  { "timeout", type = "duration", min = 1, doc = "For the whole answer." },
  { "healthy", type = "integer", min = 1, max = 1000, doc = "Checks in a row that bring an endpoint in." },
  { "unhealthy", type = "integer", min = 1, max = 1000, doc = "Checks in a row that take it out." },
  { "min_health_percent", type = "number", min = 0, max = 100, doc = "With fewer that are well, all are used." },
}

local outlier_detection = {
  limit("consecutive_5xx", "Failures and answers from 500 on in a row that eject; 0: off."),
  limit("consecutive_gateway_errors", "Failures and answers 502, 503, 504 in a row that eject; 0: off."),
  limit("consecutive_local_failures", "With split_local_failures: failures without an answer in a row that eject."),
  { "split_local_failures", type = "boolean", doc = "Count answers and failures without an answer apart." },
  { "interval", type = "duration", min = 1, doc = "Between looks for endpoints whose time is over." },
  { "base_ejection_time", type = "duration", min = 1, doc = "How long the first time; twice that the second, ..." },
  { "max_ejection_time", type = "duration", min = 1, doc = "Longest time." },
  { "max_ejection_percent", type = "number", min = 0, max = 100, doc = "Of the endpoints; one may always be ejected." },
  { "min_health_percent", type = "number", min = 0, max = 100, doc = "With fewer that are well, all are used." },
  { "error_codes", type = "list", items = { type = "integer", min = 100, max = 599 }, min = 1,
    doc = "Statuses that are errors, in place of 500 and above." },
  { "success_rate", type = "record", fields = success_rate, doc = "Who does far worse than the others is ejected." },
}

return {
  { "endpoints", type = "list", items = { type = { "string", "record" }, fields = endpoint },
    doc = "Where the service runs." },
  { "subsets", type = "map", values = { type = "map", values = { type = "string" } }, doc = "Endpoints by label." },
  { "balance", type = { "string", "record" }, fields = balance, doc = "How an endpoint is chosen." },
  { "tls", type = { "boolean", "record" }, fields = service_tls, doc = "Speak TLS to the endpoints." },
  { "proxy_protocol", type = "integer", min = 1, max = 2,
    doc = "Version of the PROXY header that connections begin with; absent: none." },
  { "pool", type = "record", fields = pool, doc = "Connections kept to each endpoint." },
  { "circuit_breaker", type = "record", fields = circuit_breaker, doc = "What may be in use at once." },
  { "outlier_detection", type = "record", fields = outlier_detection, doc = "Who fails is left out a while." },
  { "health_check", type = "record", fields = health_check, doc = "Endpoints are asked whether they are well." },
  { "metadata", type = "any", doc = "Names for the metrics." },
}
