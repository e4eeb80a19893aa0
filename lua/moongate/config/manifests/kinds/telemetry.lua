--- Fields of Istio's Telemetry.
local fields = require "moongate.config.manifests.kinds.fields"
local later = fields.later

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
  later "metrics",
}

return {
  Telemetry = fields.kind({ "telemetry.istio.io/v1", "telemetry.istio.io/v1alpha1" }, spec, false),
}
