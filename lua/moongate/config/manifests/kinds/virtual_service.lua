--- Fields of Istio's VirtualService.
local fields = require "moongate.config.manifests.kinds.fields"
local later, strings, ignored = fields.later, fields.strings, fields.ignored

-- A StringMatch; {} means present where the place allows it.
local function string_match(doc)
  return { type = "record", doc = doc, fields = {
    { "exact", type = "string", doc = "The whole value." },
    { "prefix", type = "string", doc = "How the value starts." },
    { "regex", type = "string", doc = "A regular expression (RE2) of the whole value." },
  } }
end

local function named(name, field)
  field[1] = name
  return field
end

local function matches(name, doc)
  return { name, type = "map", values = string_match("What the value is like."), doc = doc }
end

local function port(name, doc) return { name, type = "integer", min = 1, max = 65535, doc = doc } end

local function labels(name, doc) return { name, type = "map", values = { type = "string" }, doc = doc } end

local destination = {
  { "host", type = "string", required = true, min = 1, doc = "Service, short or in full." },
  { "subset", type = "string", min = 1, doc = "Subset that a DestinationRule names." },
  { "port", type = "record", doc = "Port of the service.", fields = {
    { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Its number." } } },
}

local function percentage(name, doc)
  return { name, type = "record", doc = doc, fields = {
    { "value", type = "number", min = 0, max = 100, default = 0, doc = "Percent." } } }
end

local none_when_absent = "Share of requests; none when absent."

local fault = {
  { "delay", type = "record", doc = "Waits before the request goes on.", fields = {
    { "fixedDelay", type = "duration", required = true, doc = "How long." },
    percentage("percentage", none_when_absent),
    { "percent", type = "integer", min = 0, max = 100, doc = "Old form of percentage." },
    later "exponentialDelay" } },
  { "abort", type = "record", doc = "Answers instead of the service.", fields = {
    { "httpStatus", type = "integer", min = 200, max = 599, doc = "Status of the answer." },
    { "grpcStatus", type = "string", doc = "Status of a gRPC answer, by name." },
    percentage("percentage", none_when_absent), later "http2Error" } },
}

local http_match = {
  { "name", type = "string", doc = "Name of the match, in logs." },
  named("uri", string_match("Path without its query.")),
  { "ignoreUriCase", type = "boolean", doc = "Whether exact and prefix of uri hold in any case." },
  named("scheme", string_match("http or https.")),
  named("method", string_match("Method.")),
  named("authority", string_match("Host as sent, with its port.")),
  matches("headers", "Headers that must match."),
  matches("withoutHeaders", "Headers that must not match."),
  matches("queryParams", "Query parameters that must match."),
  port("port", "Port that the request came in by."),
  strings("gateways", "Gateways (or mesh) at which this match counts."),
  labels("sourceLabels", "Labels of the gateway's pods; a match with any counts for no waypoint."),
  { "sourceNamespace", type = "string", doc = "Namespace of the gateway's pods." },
  ignored "statPrefix",
}

local function header_change(name, doc)
  local texts = { type = "string" }
  return { name, type = "record", doc = doc, fields = {
    { "set", type = "map", values = texts, doc = "Headers with the only value they shall have." },
    { "add", type = "map", values = texts, doc = "Values added to what is there." },
    strings("remove", "Headers to take away."),
  } }
end

local function headers(doc)
  return { "headers", type = "record", doc = doc, fields = {
    header_change("request", "Headers that go to the service."),
    header_change("response", "Headers that go to the client."),
  } }
end

local redirect = {
  { "uri", type = "string", doc = "The whole new path; after %PREFIX()% what replaces the matched prefix." },
  { "prefixRewrite", type = "string", doc = "Replaces the matched prefix." },
  { "authority", type = "string", doc = "Host there." },
  port("port", "Port there."),
  { "derivePort", type = "string", one_of = { "FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT" },
    doc = "Where the port there comes from." },
  { "scheme", type = "string", one_of = { "http", "https" }, doc = "Scheme there." },
  { "redirectCode", type = "integer", one_of = { 0, 301, 302, 303, 307, 308 }, default = 301, doc = "Status." },
}

local direct_response = {
  { "status", type = "integer", min = 200, max = 599, required = true, doc = "Status of the answer." },
  { "body", type = "record", doc = "Its body.", fields = {
    { "string", type = "string", max = 1048576, doc = "As text." },
    { "bytes", type = "string", max = 1398104, doc = "In base64." } } },
}

local rewrite = {
  { "uri", type = "string", doc = "Replaces the matched prefix, or the whole path." },
  { "authority", type = "string", doc = "The new Host." },
  { "uriRegexRewrite", type = "record", doc = "Replaces what matches in the path.", fields = {
    { "match", type = "string", required = true, min = 1, doc = "A regular expression (RE2)." },
    { "rewrite", type = "string", required = true, min = 1, doc = "What takes its place; \\1 is its first group." } } },
}

local cors = {
  { "allowOrigins", type = "list", items = string_match("What the origin is like."), doc = "Origins that may call." },
  strings("allowOrigin", "Old form of allowOrigins: whole origins, or \"*\"."),
  strings("allowMethods", "Methods they may use."),
  strings("allowHeaders", "Headers they may send."),
  strings("exposeHeaders", "Headers of the answer that their scripts may read."),
  { "maxAge", type = "duration", min = 0, doc = "How long a browser may keep a preflight's answer." },
  { "allowCredentials", type = "boolean", doc = "Whether they may send cookies." },
  { "unmatchedPreflights", type = "string", one_of = { "UNSPECIFIED", "FORWARD", "IGNORE" }, default = "FORWARD",
    doc = "What becomes of a preflight from elsewhere." },
}

local retries = {
  { "attempts", type = "integer", min = 0, default = 0, doc = "Tries after the first; 0: none." },
  { "perTryTimeout", type = "duration", min = 1, doc = "Time of one try." },
  { "retryOn", type = "string", doc = "Conditions, separated by commas." },
  { "backoff", type = "duration", min = 1, doc = "Base of the wait between tries." },
  { "retryIgnorePreviousHosts", type = "boolean", default = true, doc = "Prefer hosts that were not tried." },
  ignored "retryRemoteLocalities", -- no locality is preferred to another, so retries reach them all anyway
}

local mirror = {
  { "destination", type = "record", fields = destination, required = true, doc = "Where copies go." },
  percentage("percentage", "Share of requests; all when absent."),
}

local http_route = {
  { "name", type = "string", doc = "Name of the route, in logs." },
  { "match", type = "list", items = { type = "record", fields = http_match }, doc = "Any of these; all when absent." },
  { "route", type = "list", doc = "Where matching requests go, by weight.", items = { type = "record", fields = {
    { "destination", type = "record", required = true, fields = destination, doc = "Where." },
    { "weight", type = "integer", min = 0, default = 0, doc = "Its share; without meaning when alone." },
    headers "Changes to headers of the requests that go there." } } },
  { "redirect", type = "record", fields = redirect, doc = "Answers with another place to ask." },
  { "directResponse", type = "record", fields = direct_response, doc = "Answers here." },
  { "delegate", type = "record", doc = "The VirtualService that says what to do.", fields = {
    { "name", type = "string", required = true, doc = "Its name." },
    { "namespace", type = "string", doc = "Its namespace; the same when absent." } } },
  { "rewrite", type = "record", fields = rewrite, doc = "Changes what the service sees." },
  { "timeout", type = "duration", min = 0, doc = "Until the answer is complete; none when absent or 0s." },
  { "retries", type = "record", doc = "When to try again.", fields = retries },
  { "fault", type = "record", fields = fault, doc = "Delays and aborts." },
  { "mirror", type = "record", fields = destination, doc = "Where copies of requests go." },
  percentage("mirrorPercentage", "Share of requests that are copied; all when absent."),
  { "mirrorPercent", type = "integer", min = 0, max = 100, doc = "Old form of mirrorPercentage." },
  { "mirrors", type = "list", items = { type = "record", fields = mirror }, doc = "Several places for copies." },
  { "corsPolicy", type = "record", fields = cors, doc = "Who may call from a browser." },
  headers "Changes to headers.",
}

local l4_destinations = { "route", type = "list", doc = "Where connections go.", items = { type = "record", fields = {
  { "destination", type = "record", required = true, fields = destination, doc = "Where." },
  { "weight", type = "integer", min = 0, default = 0, doc = "Its share." } } } }

local function l4_route(...)
  local match = { ..., strings("destinationSubnets", "Addresses called."), port("port", "Port called."),
    labels("sourceLabels", "Labels of the caller."), strings("gateways", "Gateways (or mesh) at which it counts."),
    { "sourceNamespace", type = "string", doc = "Namespace of the caller." } }
  return { type = "record", fields = { l4_destinations,
    { "match", type = "list", items = { type = "record", fields = match }, doc = "Which connections." } } }
end

local virtual_service = {
  strings("hosts", "Hosts (services in the mesh) whose requests these routes take; none: it is delegated to."),
  strings("gateways", "Where the routes count; mesh when absent."),
  { "http", type = "list", items = { type = "record", fields = http_route }, doc = "Routes, first match first." },
  { "tls", type = "list", items = l4_route { "sniHosts", type = "list", items = { type = "string" }, doc = "Names." },
    doc = "Routes of TLS connections, which are not served." },
  { "tcp", type = "list", items = l4_route { "sourceSubnet", type = "string", doc = "Addresses of callers." },
    doc = "Routes of TCP connections, which are not served." },
  strings("exportTo", "Namespaces whose gateways see it: \".\" its own, \"*\" all, which is the default."),
}

return {
  VirtualService = {
    versions = { "networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3" },
    fields = { { "spec", type = "record", required = true, fields = virtual_service, doc = "What the object says." } },
  },
}
