--- Fields of Istio's Telemetry.
local fields = require "moongate.config.manifests.kinds.fields"

local providers = { "providers", type = "list", doc = "Extension providers; those of the level above when absent.",
  items = { type = "record", fields = { { "name", type = "string", required = true, min = 1, doc = "Its name." } } } }

local MODE = { "mode", type = "string", one_of = { "CLIENT_AND_SERVER", "CLIENT", "SERVER" },
  default = "CLIENT_AND_SERVER", doc = "At gateways, at services, or both." }

local access_logging = {
  providers,
  { "match", type = "record", doc = "Where it counts.", fields = { MODE } },
  { "disabled", type = "boolean", default = false, doc = "Nothing is logged." },
  { "filter", type = "record", doc = "Which requests are logged.", fields = {
    { "expression", type = "string", required = true, min = 1, doc = "An expression of CEL." } } },
}

local METRICS = { "ALL_METRICS", "REQUEST_COUNT", "REQUEST_DURATION", "REQUEST_SIZE", "RESPONSE_SIZE",
  "TCP_OPENED_CONNECTIONS", "TCP_CLOSED_CONNECTIONS", "TCP_SENT_BYTES", "TCP_RECEIVED_BYTES",
  "GRPC_REQUEST_MESSAGES", "GRPC_RESPONSE_MESSAGES" }

local metrics = {
  providers,
  fields.ignored "reportingInterval",
  { "overrides", type = "list", doc = "Changes, each over those before.", items = { type = "record", fields = {
    { "match", type = "record", doc = "Which metrics; all when absent.", fields = { MODE,
      { "metric", type = "string", one_of = METRICS, doc = "A metric of Istio's." },
      fields.later "customMetric" } },
    { "disabled", type = "boolean", doc = "It is not counted." },
    { "tagOverrides", type = "map", doc = "Labels, by name.", values = { type = "record", fields = {
      { "operation", type = "string", one_of = { "UPSERT", "REMOVE" }, default = "UPSERT", doc = "What is done." },
      { "value", type = "string", doc = "Expression that gives the value." } } } } } } },
}

local target_ref = {
  { "group", type = "string", default = "", doc = "Group of the kind." },
  { "kind", type = "string", required = true, doc = "Gateway, GatewayClass, Service or ServiceEntry." },
  { "name", type = "string", required = true, min = 1, doc = "Its name." },
  { "namespace", type = "string", doc = "The object's own namespace." },
}

local spec = {
  { "selector", type = "record", doc = "Workloads it counts for; all of the namespace when absent.", fields = {
    { "matchLabels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the workload." } } },
  { "targetRefs", type = "list", items = { type = "record", fields = target_ref }, max = 16,
    doc = "What it counts for, in place of selector." },
  { "targetRef", type = "record", fields = target_ref, doc = "Old form of targetRefs." },
  { "accessLogging", type = "list", items = { type = "record", fields = access_logging }, doc = "What is logged." },
  { "tracing", type = "any", ignored = true, doc = "Taken, without effect here." },
  { "metrics", type = "list", items = { type = "record", fields = metrics }, doc = "What is counted, and how." },
}

return {
  Telemetry = fields.kind({ "telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1" }, spec, false),
}
