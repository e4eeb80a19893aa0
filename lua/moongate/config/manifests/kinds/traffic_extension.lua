--- Fields of Istio's TrafficExtension.
local fields = require "moongate.config.manifests.kinds.fields"

local PHASES = { "UNSPECIFIED", "AUTHN", "AUTHZ", "STATS" }

local selector = {
  { "mode", type = "string", one_of = { "CLIENT_AND_SERVER", "CLIENT", "SERVER", "UNDEFINED" },
    default = "CLIENT_AND_SERVER", doc = "At gateways, at services, or both." },
  { "ports", type = "list", doc = "Ports of the listener; all when absent.", items = { type = "record", fields = {
    { "number", type = "integer", required = true, min = 1, max = 65535, doc = "A port." } } } },
}

local spec = fields.attached {
  { "phase", type = "string", one_of = PHASES, default = "UNSPECIFIED", doc = "Before what it stands." },
  { "priority", type = "integer", min = -2147483648, max = 2147483647, default = 0,
    doc = "Of those of one phase the highest goes first." },
  { "match", type = "list", items = { type = "record", fields = selector }, doc = "Which traffic; any when absent." },
  fields.later "wasm",
  { "lua", type = "record", doc = "A script for Envoy's Lua filter.", fields = {
    { "inlineCode", type = "string", required = true, min = 1, max = 65536, doc = "The script." } } },
}
table.remove(spec) -- the old form of targetRefs, which this kind never had

return {
  TrafficExtension = fields.kind({ "extensions.istio.io/v1alpha1" }, spec, true),
}
