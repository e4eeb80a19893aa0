--- Fields of DestinationRule: subsets of a service, and how it is called.
-- What a field means is in manifests/destination_rules/.
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, later, strings = fields.ignored, fields.later, fields.strings

local function record(name, list, doc)
  return { name, type = "record", fields = list, doc = doc }
end

local function count(name, doc)
  return { name, type = "integer", min = 0, max = 4294967295, doc = doc }
end

local function percent(name, doc)
  return { name, type = "number", min = 0, max = 100, doc = doc }
end

local function duration(name, min, doc)
  return { name, type = "duration", min = min, doc = doc }
end

-- ---- loadBalancer ---------------------------------------------------------------------------

local http_cookie = {
  { "name", type = "string", required = true, min = 1, doc = "Name of the cookie." },
  { "path", type = "string", doc = "Path of a cookie that is made." },
  duration("ttl", 0, "A client without the cookie gets one for so long; 0s: for its session."),
  { "attributes", type = "list", doc = "More attributes of a cookie that is made.", items = { type = "record",
    fields = { { "name", type = "string", required = true, min = 1, doc = "Attribute." },
      { "value", type = "string", default = "", doc = "Its value." } } } },
}

local consistent_hash = {
  { "httpHeaderName", type = "string", min = 1, doc = "Header whose value is the key." },
  record("httpCookie", http_cookie, "Cookie whose value is the key."),
  { "useSourceIp", type = "boolean", doc = "The client's address is the key." },
  { "httpQueryParameterName", type = "string", min = 1, doc = "Query parameter whose value is the key." },
  record("ringHash", { count("minimumRingSize", "Points on the ring, at least; 1024 when absent.") }, "A ring."),
  record("maglev", { count("tableSize", "A prime; 65537 when absent.") }, "A Maglev table."),
  count("minimumRingSize", "Old place of ringHash.minimumRingSize."),
}

local locality = {
  { "distribute", type = "list", doc = "Shares by locality.", items = { type = "record", fields = {
    { "from", type = "string", doc = "Locality of the caller." },
    { "to", type = "map", values = { type = "integer" }, doc = "Shares." } } } },
  { "failover", type = "list", doc = "Region after region.", items = { type = "record", fields = {
    { "from", type = "string", doc = "Region of the caller." }, { "to", type = "string", doc = "The next one." } } } },
  strings("failoverPriority", "Labels (or label=value) that endpoints share with the caller, the first counts most."),
  { "enabled", type = "boolean", doc = "false: none of this." },
}

local load_balancer = {
  { "simple", type = "string", doc = "How an endpoint is chosen; LEAST_REQUEST when absent.",
    one_of = { "UNSPECIFIED", "LEAST_CONN", "LEAST_REQUEST", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH" } },
  record("consistentHash", consistent_hash, "A key keeps its endpoint."),
  record("localityLbSetting", locality, "Endpoints near the caller first."),
  duration("warmupDurationSecs", 1, "Old form of warmup.duration."),
  record("warmup", {
    { "duration", type = "duration", min = 1, required = true, doc = "Until a new endpoint gets its whole share." },
    percent("minimumPercent", "Of its share, at first; 10 when absent."),
    { "aggression", type = "number", min = 1, max = 100, doc = "1, when absent: the share grows evenly." } },
    "A new endpoint gets less at first."),
}

-- ---- connectionPool, outlierDetection, tls ----------------------------------------------------

local tcp = {
  count("maxConnections", "Connections of the service; past it requests wait for one."),
  duration("connectTimeout", 1, "For a connection; 10s when absent."),
  record("tcpKeepalive", { count("probes", "Unanswered ones that end a connection."),
    duration("time", 0, "Silence before the first."), duration("interval", 0, "Between probes.") },
    "Probes of silent connections."),
  duration("maxConnectionDuration", 1, "Longest life of a connection."),
  duration("idleTimeout", 0, "How long an unused connection is kept."),
}

local http = {
  count("http1MaxPendingRequests", "Requests that wait for a connection."),
  count("http2MaxRequests", "Requests in progress, of HTTP/1.1 too."),
  count("maxRequestsPerConnection", "Of one connection; 1: none is kept."),
  count("maxRetries", "Retries in progress."),
  duration("idleTimeout", 0, "How long an unused connection is kept."),
  { "h2UpgradePolicy", type = "string", one_of = { "DEFAULT", "DO_NOT_UPGRADE", "UPGRADE" },
    doc = "Upstreams are asked by HTTP/1.1." },
  { "useClientProtocol", type = "boolean", doc = "Upstreams are asked by HTTP/1.1." },
  count("maxConcurrentStreams", "Of a connection of HTTP/2, of which there is none."),
  { "http2KeepAlive", type = "any", doc = "Of a connection of HTTP/2, of which there is none." },
}

local connection_pool = { record("tcp", tcp, "Connections."), record("http", http, "Requests.") }

local outlier_detection = {
  count("consecutive5xxErrors", "Errors in a row that eject an endpoint; 5 when absent, 0: off."),
  count("consecutiveGatewayErrors", "502, 503, 504 in a row that eject it; off when absent."),
  count("consecutiveErrors", "Old name of consecutiveGatewayErrors."),
  { "splitExternalLocalOriginErrors", type = "boolean", doc = "Count failures without an answer apart." },
  count("consecutiveLocalOriginFailures", "Those in a row that eject it, then; 5 when absent."),
  duration("interval", 1, "Between looks for who may return; 10s when absent."),
  duration("baseEjectionTime", 1, "How long, the first time; 30s when absent."),
  percent("maxEjectionPercent", "Of the endpoints; 10 when absent; one may always be out."),
  percent("minHealthPercent", "With fewer that are well, all are used."),
  { "outlierDetectionHttpErrorCodes", type = "list", items = { type = "integer", min = 100, max = 599 },
    doc = "Statuses that are errors, in place of 500 and above." },
}

local tls = {
  { "mode", type = "string", one_of = { "DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL" }, default = "DISABLE",
    doc = "Clear text, TLS, TLS with a certificate of our own, or with the mesh's." },
  { "clientCertificate", type = "string", min = 1, doc = "File with our certificate chain (MUTUAL)." },
  { "privateKey", type = "string", min = 1, doc = "File with its key (MUTUAL)." },
  { "caCertificates", type = "string", min = 1, doc = "File with the authorities; those of the system when absent." },
  { "credentialName", type = "string", min = 1, doc = "Secret (or configmap://NAME) in place of the files." },
  strings("subjectAltNames", "Names of which one must be in the certificate; the host when absent."),
  { "sni", type = "string", min = 1, doc = "Name to send; the host when absent." },
  { "insecureSkipVerify", type = "boolean", doc = "Take any certificate." },
  later "caCrl",
}

local function policy_fields(more)
  local list = {
    record("loadBalancer", load_balancer, "How an endpoint is chosen."),
    record("connectionPool", connection_pool, "Connections and limits."),
    record("outlierDetection", outlier_detection, "Endpoints that fail are left out."),
    record("tls", tls, "What is spoken to the endpoints."),
  }
  for _, field in ipairs(more) do list[#list + 1] = field end
  return list
end

local port_level = policy_fields {
  { "port", type = "record", required = true, fields = {
    { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Its number." } },
    doc = "Port of the service." },
}

local traffic_policy = policy_fields {
  { "portLevelSettings", type = "list", items = { type = "record", fields = port_level },
    doc = "In place of all of this, for one port." },
  record("retryBudget", { percent("percent", "Retries, of the requests in progress; 20 when absent."),
    count("minRetryConcurrency", "Retries that are always allowed; 3 when absent."), ignored "budgetInterval" },
    "In place of connectionPool.http.maxRetries."),
  record("proxyProtocol", { { "version", type = "string", one_of = { "V1", "V2" }, default = "V1",
    doc = "Of the PROXY header." } }, "Connections begin with a PROXY header."),
  later "tunnel",
}

local destination_rule = {
  { "host", type = "string", required = true, min = 1, doc = "Service, short or in full, or *.suffix." },
  { "subsets", type = "list", doc = "Named parts of the service.", items = { type = "record", fields = {
    { "name", type = "string", required = true, pattern = "^[%w][%w-]*$", doc = "Name that routes use." },
    { "labels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of its endpoints." },
    record("trafficPolicy", traffic_policy, "Blocks in place of the rule's own.") } } },
  record("trafficPolicy", traffic_policy, "How the service is called."),
  record("workloadSelector", { { "matchLabels", type = "map", values = { type = "string" }, default = {},
    doc = "Labels of the caller." } }, "The callers it counts for; all when absent."),
  strings("exportTo", "Namespaces whose callers it counts for: '*' (when absent), '.', or names."),
}

return { DestinationRule = fields.kind(fields.NETWORKING, destination_rule, true) }
