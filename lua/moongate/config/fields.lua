--- fields: the schema of the Lua config. Defaults are the model's, so that every front end has the same.
local normalize = require "moongate.normalize"

local fields = {}

local STRINGS = { type = "list", items = { type = "string" } }

local function with(field, extra)
  for key, value in pairs(extra) do field[key] = value end
  return field
end

local function list_of(item, name, doc)
  return { name, type = "list", items = item, doc = doc }
end

local use = { type = { "string", "any" } }

local function uses(doc)
  return list_of(use, "policies", doc)
end

local cert = {
  { "cert", type = "string", required = true, doc = "File with the certificate chain (PEM), or its text." },
  { "key", type = "string", required = true, doc = "File with the private key (PEM), or its text." },
}

local listener_tls = {
  { "cert", type = "string", doc = "File with the certificate chain (PEM), or its text." },
  { "key", type = "string", doc = "File with the private key (PEM), or its text." },
  list_of({ type = "record", fields = cert }, "certs", "Several, chosen by SNI; the first is the default."),
  { "client_ca", type = "string", doc = "File with the authorities that sign clients' certificates." },
  { "client_auth", type = "string", one_of = { "none", "request", "require", "any" },
    doc = "Ask for a client certificate." },
  with({ "alpn", doc = "Protocols offered, the preferred one first." }, STRINGS),
  { "min_version", type = "string", one_of = { "1.2", "1.3" }, doc = "Lowest TLS version." },
  { "tickets", type = "boolean", doc = "Whether sessions resume by ticket." },
  { "permissive", type = "boolean", doc = "Whether clear text is served beside TLS." },
}

local limits = {
  { "request_line_bytes", type = "size", min = 1, max = 1048576, doc = "Longest request line (414)." },
  { "header_bytes", type = "size", min = 1, max = 1048576, doc = "All header fields together (431)." },
  { "header_count", type = "integer", min = 1, max = 10000, doc = "Header fields (431)." },
  { "body_bytes", type = "size", doc = "Request body (413); 0: no limit." },
  { "trailer_bytes", type = "size", max = 1048576, doc = "Trailer fields." },
  { "header_timeout", type = "duration", min = 1, doc = "From a request's first byte to the end of its head (408)." },
  { "body_timeout", type = "duration", min = 1, doc = "Longest pause inside a request body (408)." },
  { "body_rate", type = "size", max = 4294967295,
    doc = "Slowest request body, in bytes a second over any body_timeout (408); 0: no limit." },
  { "idle_timeout", type = "duration", min = 1, doc = "Kept-alive connection without a request." },
  { "write_timeout", type = "duration", min = 1, doc = "Longest wait for a client that reads nothing." },
  { "requests_per_connection", type = "integer", min = 0, max = 4294967295, doc = "0: no limit." },
  { "connections", type = "integer", min = 1, max = 4294967295, doc = "At once, per worker." },
  { "connections_per_client", type = "integer", min = 0, max = 4294967295, doc = "Of one address; 0: no limit." },
}

local listener = {
  { "address", type = "string", required = true, doc = "IP address and port to listen on." },
  { "tls", type = "record", fields = listener_tls, doc = "Serve TLS." },
  { "trusted_hops", type = "integer", min = 0, max = 255, doc = "Proxies in front whose X-Forwarded-For counts." },
  { "trust_request_id", type = "boolean", doc = "Keep the client's X-Request-Id." },
  { "client_cert_header", type = "string", one_of = { "remove", "set", "trust" }, doc = "X-Forwarded-Client-Cert." },
  { "append_forwarded_for", type = "boolean", doc = "Append the client's address to X-Forwarded-For." },
  { "path_normalization", type = "string", one_of = normalize.MODES, doc = "One spelling of paths, before the match." },
  with({ "names", doc = "Hosts that clients reach it by, for those who ask why." }, STRINGS),
  with({ "sections", doc = "Hosts told apart: a request takes the routes of the most specific alone." }, STRINGS),
  { "strict_hosts", type = "boolean", doc = "No fall back from a matching host to a less specific one." },
  uses("Of its requests before they have a route, so that routes may ask for claims."),
  { "limits", type = "record", fields = limits, doc = "What a client may ask at most." },
}

local endpoint = {
  { "address", type = "string", required = true, doc = "\"host:port\"; names are resolved and kept fresh." },
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
}

local service = {
  list_of({ type = { "string", "record" }, fields = endpoint }, "endpoints", "Where the service runs."),
  { "subsets", type = "map", values = { type = "map", values = { type = "string" } }, doc = "Endpoints by label." },
  { "balance", type = { "string", "record" }, fields = balance, doc = "How an endpoint is chosen." },
  { "tls", type = { "boolean", "record" }, fields = service_tls, doc = "Speak TLS to the endpoints." },
  { "pool", type = "record", fields = pool, doc = "Connections kept to each endpoint." },
  { "circuit_breaker", type = "record", fields = circuit_breaker, doc = "What may be in use at once." },
  { "outlier_detection", type = "record", fields = outlier_detection, doc = "Who fails is left out a while." },
  { "metadata", type = "any", doc = "Names for the metrics." },
}

local value_rule = {
  { "name", type = "string", doc = "In the list form: which header or parameter." },
  { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
  { "regex", type = "string", doc = "Of the whole value." },
  { "present", type = "boolean" }, { "invert", type = "boolean" },
  { "empty_if_absent", type = "boolean", doc = "Takes a value that is not there for an empty one." },
}
-- { user = "Amy", ["x-debug"] = { present = true } } or a list of records with names.
local values = { type = { "list", "map" }, items = { type = "record", fields = value_rule },
                 values = { type = { "string", "record" }, fields = value_rule } }

local function text_rule(name, doc)
  return { name, type = { "string", "record" }, doc = doc, fields = {
    { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
    { "regex", type = "string" }, { "invert", type = "boolean" } } }
end

-- Of a token that policy jwt has verified for the listener.
local claim_rule = {
  { "path", type = "list", items = { type = "string" }, min = 1, required = true,
    doc = "Its name, and those of the claims within it." },
  { "exact", type = "string" }, { "prefix", type = "string" }, { "suffix", type = "string" },
  { "regex", type = "string" }, { "present", type = "boolean" }, { "invert", type = "boolean" },
}

local match = {
  { "path", type = "record", fields = {
    { "exact", type = "string" }, { "prefix", type = "string" }, { "starts_with", type = "string" },
    { "regex", type = "string" }, { "ignore_case", type = "boolean", doc = "Whether capitals count as small." } },
    doc = "One of: the whole path, whole elements of it, any first characters, a regular expression of the whole." },
  text_rule("method", "As sent, in capitals."),
  text_rule("authority", "Host as sent, with its port."),
  text_rule("scheme", "\"http\" or \"https\"."),
  with({ "headers", doc = "All must hold." }, values),
  with({ "query", doc = "All must hold." }, values),
  list_of({ type = "record", fields = claim_rule }, "claims", "All must hold."),
}

local retries = {
  { "attempts", type = "integer", min = 0, max = 100, doc = "Tries after the first." },
  with({ "on", doc = "Conditions to try again on." }, STRINGS),
  { "back_off", type = "duration", min = 1, doc = "First pause." },
  { "max_back_off", type = "duration", min = 1, doc = "Longest pause." },
  { "buffer", type = "size", max = 4294967295, doc = "Longest body kept to be sent again." },
  { "avoid_tried", type = "boolean", doc = "Prefer endpoints that have not been tried." },
}

local backend = {
  { "service", type = "string", required = true, doc = "Name of a service." },
  { "subset", type = "string", doc = "Name of one of its subsets." },
  { "weight", type = "integer", min = 0, max = 1000000, doc = "Share among the backends." },
  uses("Policies of the requests that go there."),
}

local route = {
  { "name", type = "string", min = 1, doc = "For logs and metrics." },
  with({ "hosts", doc = "Hosts, \"*.example\" for all below one; absent: any." }, STRINGS),
  with({ "listeners", doc = "Names of listeners; absent: all." }, STRINGS),
  { "section", type = "string", doc = "The section of these that it belongs to; absent: each." },
  { "match", type = { "list", "record" }, items = { type = "record", fields = match }, fields = match,
    doc = "What a request must look like; of a list, one must hold." },
  uses("In the order in which requests meet them."),
  list_of({ type = "record", fields = backend }, "backends", "Where requests go, by weight."),
  { "timeout", type = "duration", doc = "For the whole answer, tries included; absent or 0: none." },
  { "per_try_timeout", type = "duration", doc = "For the head of one try's answer." },
  { "retries", type = "record", fields = retries, doc = "Trying again." },
}

local budgets = {
  { "cpu", type = "duration", min = 10, doc = "Time of the CPU for one call of a policy, from one wait to the next." },
  { "memory", type = "size", min = 16777216, doc = "Of the Lua state of one worker." },
  { "timers", type = "integer", min = 1, max = 1024, doc = "Of one policy, that wait or run, in one worker." },
}

fields.config = {
  { "listeners", type = "map", values = { type = "record", fields = listener }, required = true,
    doc = "Where clients connect, by name." },
  { "admin", type = "record", fields = { { "address", type = "string", required = true } },
    doc = "Where metrics and health are served." },
  { "explain", type = "record", fields = { { "token", type = "string", min = 16, required = true, secret = true,
    doc = "Who sends it in x-moongate-explain is told why." } }, doc = "Explanations of live requests." },
  { "overload", type = "record", fields = { { "memory", type = "size", min = 16777216,
    doc = "A worker's memory, past which new requests get 503; absent: the machine's, shared." } },
    doc = "When to give something up." },
  { "services", type = "map", values = { type = "record", fields = service }, doc = "Upstreams by name." },
  { "budgets", type = "record", fields = budgets, doc = "What policies may use up." },
  uses("Around every route."),
  list_of({ type = "record", fields = route }, "routes", "Tried in the order that `order` says."),
  { "order", type = "string", one_of = { "specificity", "written" }, doc = "How the routes of one host are tried." },
}

return fields
