--- Fields of the Gateway API's kinds: so far the Gateway that stands for a waypoint.
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, later = fields.ignored, fields.later

local listener = {
  { "name", type = "string", required = true, doc = "Names the listener." },
  { "port", type = "integer", min = 1, max = 65535, required = true, doc = "15008 at a waypoint." },
  { "protocol", type = "string", required = true, doc = "HBONE at a waypoint." },
  later "hostname", later "tls",
  -- Which routes may attach; no kind of route is read yet.
  ignored "allowedRoutes",
}

local spec = {
  { "gatewayClassName", type = "string", required = true, doc = "istio-mesh or istio-waypoint." },
  { "listeners", type = "list", items = { type = "record", fields = listener }, default = {}, doc = "At most one." },
  later "addresses", later "infrastructure", later "backendTLS", later "allowedListeners", later "tls",
}

return {
  Gateway = {
    versions = { "gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1",
      "gateway.networking.k8s.io/v1alpha2" },
    fields = { { "spec", type = "record", required = true, fields = spec, doc = "The gateway." } },
  },
}
