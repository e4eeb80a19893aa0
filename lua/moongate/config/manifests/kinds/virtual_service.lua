--- Fields of Istio's VirtualService.
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

return {
  VirtualService = {
    versions = { "networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3" },
    fields = { { "spec", type = "record", required = true, fields = virtual_service, doc = "What the object says." } },
  },
}
