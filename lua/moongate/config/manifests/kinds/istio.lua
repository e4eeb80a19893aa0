--- Fields of Istio's kinds.
local fields = require "moongate.config.manifests.kinds.fields"
local later, strings = fields.later, fields.strings

-- A StringMatch; {} means present where the place allows it.
local function string_match(doc)
  return { type = "record", doc = doc, fields = {
    { "exact", type = "string", doc = "The whole value." },
    { "prefix", type = "string", doc = "How the value starts." },
    later "regex",
  } }
end

local function named(name, field)
  field[1] = name
  return field
end

local function matches(name, doc)
  return { name, type = "map", values = string_match("What the value is like."), doc = doc }
end

local destination = {
  { "host", type = "string", required = true, doc = "Service, short or in full." },
  { "subset", type = "string", doc = "Subset that a DestinationRule names." },
  { "port", type = "record", doc = "Port of the service.", fields = {
    { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Its number." } } },
}

local percentage = { "percentage", type = "record", doc = "Share of requests; none when absent.", fields = {
  { "value", type = "number", min = 0, max = 100, default = 0, doc = "Percent." } } }

local fault = {
  { "delay", type = "record", doc = "Waits before the request goes on.", fields = {
    { "fixedDelay", type = "duration", required = true, doc = "How long." }, percentage,
    later "percent", later "exponentialDelay" } },
  { "abort", type = "record", doc = "Answers instead of the service.", fields = {
    { "httpStatus", type = "integer", min = 200, max = 599, required = true, doc = "Status of the answer." },
    percentage, later "grpcStatus", later "http2Error" } },
}

local http_match = {
  { "name", type = "string", doc = "Name of the match, in logs." },
  named("uri", string_match("Path without its query.")),
  named("method", string_match("Method.")),
  matches("headers", "Headers that must match."),
  matches("withoutHeaders", "Headers that must not match."),
  matches("queryParams", "Query parameters that must match."),
  { "port", type = "integer", min = 1, max = 65535, doc = "Port that the request came in by." },
  strings("gateways", "Gateways (or mesh) at which this match counts."),
  later "scheme", later "authority", later "ignoreUriCase", later "sourceLabels", later "sourceNamespace",
  later "statPrefix",
}

local http_route = {
  { "name", type = "string", doc = "Name of the route, in logs." },
  { "match", type = "list", items = { type = "record", fields = http_match }, doc = "Any of these; all when absent." },
  { "route", type = "list", doc = "Where matching requests go, by weight.", items = { type = "record", fields = {
    { "destination", type = "record", required = true, fields = destination, doc = "Where." },
    { "weight", type = "integer", min = 0, default = 0, doc = "Its share; without meaning when alone." },
    later "headers" } } },
  { "fault", type = "record", fields = fault, doc = "Delays and aborts." },
  { "timeout", type = "duration", min = 0, doc = "Until the answer is complete; none when absent or 0s." },
  { "retries", type = "record", doc = "When to try again.", fields = {
    { "attempts", type = "integer", min = 0, required = true, doc = "Tries after the first." },
    { "perTryTimeout", type = "duration", min = 1, doc = "Time of one try." },
    { "retryOn", type = "string", doc = "Conditions, separated by commas." },
    { "backoff", type = "duration", min = 1, doc = "Base of the wait between tries." },
    later "retryRemoteLocalities", later "retryIgnorePreviousHosts" } },
}
for name in ([[redirect directResponse delegate rewrite mirror mirrorPercentage mirrorPercent mirrors corsPolicy
    headers]]):gmatch("%S+") do
  http_route[#http_route + 1] = later(name)
end

local virtual_service = {
  strings("hosts", "Hosts (services in the mesh) whose requests these routes take."),
  strings("gateways", "Where the routes count; mesh when absent."),
  { "http", type = "list", items = { type = "record", fields = http_route }, doc = "Routes, first match first." },
  later "tls", later "tcp", later "exportTo",
}

local destination_rule = {
  { "host", type = "string", required = true, doc = "Service, short or in full." },
  { "subsets", type = "list", doc = "Named parts of the service.", items = { type = "record", fields = {
    { "name", type = "string", required = true, pattern = "^[%w][%w-]*$", doc = "Name that routes use." },
    { "labels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of its endpoints." },
    later "trafficPolicy" } } },
  later "trafficPolicy", later "workloadSelector", later "exportTo",
}

local tls = {
  { "mode", type = "string", one_of = { "SIMPLE" }, required = true, doc = "TLS is ended here." },
  { "credentialName", type = "string", required = true, doc = "Secret of type kubernetes.io/tls." },
  { "minProtocolVersion", type = "string", one_of = { "TLS_AUTO", "TLSV1_2", "TLSV1_3" }, default = "TLSV1_2",
    doc = "Oldest version taken." },
}
for name in ([[httpsRedirect serverCertificate privateKey caCertificates caCrl subjectAltNames credentialNames
    caCertCredentialName tlsCertificates verifyCertificateSpki verifyCertificateHash maxProtocolVersion cipherSuites]])
    :gmatch("%S+") do
  tls[#tls + 1] = later(name)
end

local gateway = {
  { "selector", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the ingress pods." },
  { "servers", type = "list", required = true, doc = "Ports and hosts served.", items = { type = "record", fields = {
    { "name", type = "string", doc = "Name of the server." },
    { "port", type = "record", required = true, doc = "Where it listens.", fields = {
      { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Port." },
      { "name", type = "string", required = true, doc = "Name of the port." },
      { "protocol", type = "string", one_of = { "HTTP", "HTTPS" }, required = true, doc = "HTTP, or HTTP in TLS." },
      fields.ignored "targetPort" } },
    { "hosts", type = "list", items = { type = "string" }, required = true, doc = "Hosts, each with or without ns/." },
    { "bind", type = "string", doc = "Address to listen on; every one when absent." },
    { "tls", type = "record", fields = tls, doc = "Needed by HTTPS." },
    later "defaultEndpoint" } } },
}

local source = {}
for _, field in ipairs {
  { "principals", "Identities, without spiffe://." }, { "requestPrincipals", "iss/sub of the token." },
  { "namespaces", "Namespaces of the identity." }, { "ipBlocks", "Addresses of the peer." },
  { "remoteIpBlocks", "Addresses of the client." }, { "serviceAccounts", "ns/account, or one of this namespace." },
  { "trustDomains", "Trust domains of the identity." },
} do
  local name = field[1]
  source[#source + 1] = strings(name, field[2])
  source[#source + 1] = strings("not" .. name:sub(1, 1):upper() .. name:sub(2), "None of these.")
end

local operation = {}
for _, name in ipairs { "hosts", "ports", "methods", "paths" } do
  operation[#operation + 1] = strings(name, "Any of these.")
  operation[#operation + 1] = strings("not" .. name:sub(1, 1):upper() .. name:sub(2), "None of these.")
end

local authorization_rule = {
  { "from", type = "list", doc = "Who asks: any of these.", items = { type = "record", fields = {
    { "source", type = "record", required = true, fields = source, doc = "All of these." } } } },
  { "to", type = "list", doc = "What is asked: any of these.", items = { type = "record", fields = {
    { "operation", type = "record", required = true, fields = operation, doc = "All of these." } } } },
  { "when", type = "list", doc = "Conditions: all of these.", items = { type = "record", fields = {
    { "key", type = "string", required = true, doc = "Attribute." },
    strings("values", "Any of these."), strings("notValues", "None of these.") } } },
}

local target_ref = {
  { "group", type = "string", default = "", doc = "Group of the kind; the core group when empty." },
  { "kind", type = "string", required = true, doc = "Gateway, GatewayClass, Service or ServiceEntry." },
  { "name", type = "string", required = true, min = 1, doc = "Its name." },
  { "namespace", type = "string", doc = "The policy's own namespace; no other one may be named." },
}

local authorization_policy = {
  { "selector", type = "record", doc = "Workloads it counts for; all of the namespace when absent.", fields = {
    { "matchLabels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the workload." } } },
  { "action", type = "string", one_of = { "ALLOW", "DENY", "AUDIT", "CUSTOM" }, default = "ALLOW",
    doc = "What a matching request gets." },
  { "rules", type = "list", items = { type = "record", fields = authorization_rule }, max = 512,
    doc = "Any of these." },
  { "targetRefs", type = "list", items = { type = "record", fields = target_ref }, max = 16,
    doc = "What it counts for, in place of selector." },
  { "targetRef", type = "record", fields = target_ref, doc = "Old form of targetRefs." },
  later "provider",
}

local function kind(group, spec, required)
  return {
    versions = group,
    fields = { { "spec", type = "record", required = required, default = not required and {} or nil, fields = spec,
      doc = "What the object says." } },
  }
end

local networking = { "networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3" }
return {
  VirtualService = kind(networking, virtual_service, true),
  DestinationRule = kind(networking, destination_rule, true),
  Gateway = kind(networking, gateway, true),
  AuthorizationPolicy = kind({ "security.istio.io/v1", "security.istio.io/v1beta1" }, authorization_policy, false),
}
