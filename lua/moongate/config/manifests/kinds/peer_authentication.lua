--- Fields of Istio's PeerAuthentication.
local function mode(doc)
  return { "mode", type = "string", one_of = { "UNSET", "DISABLE", "PERMISSIVE", "STRICT" }, default = "UNSET",
    doc = doc }
end

local spec = {
  { "selector", type = "record", doc = "Workloads it counts for; all of the namespace when absent.", fields = {
    { "matchLabels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the workload." } } },
  { "mtls", type = "record", doc = "TLS of the workloads' ports.", fields = { mode "Whether clear text counts too." } },
  { "portLevelMtls", type = "map", doc = "TLS of single ports of the workload.",
    values = { type = "record", fields = { mode "As mtls.mode." } } },
}

return {
  PeerAuthentication = { versions = { "security.istio.io/v1", "security.istio.io/v1beta1" },
    fields = { { "spec", type = "record", default = {}, fields = spec, doc = "What the object says." } } },
}
