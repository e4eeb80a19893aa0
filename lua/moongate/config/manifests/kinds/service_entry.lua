--- Fields of ServiceEntry and WorkloadEntry: services and endpoints that Kubernetes does not know.
local address = require "moongate.model.address"
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, strings = fields.ignored, fields.strings

local LABELS = { type = "map", values = { type = "string" } }

local function labels(name, doc, default)
  return { name, type = "map", values = LABELS.values, default = default, doc = doc }
end

-- What an endpoint within a ServiceEntry may be follows from its resolution.
local function address_mistake(text)
  if text:find "^unix:" or address.is_ip(text) or address.is_name(text) then return nil end
  return ("expected an IP address or a host name, got %q"):format(text)
end

local function workload_entry(alone)
  return {
    { "address", type = "string", required = alone, min = 1, check = alone and address_mistake or nil,
      doc = "IP address, or a name to look up." },
    { "ports", type = "map", values = { type = "integer", min = 1, max = 65535 }, default = {},
      doc = "Ports by the names of the service's ports." },
    labels("labels", "What subsets and selectors select by.", {}),
    { "serviceAccount", type = "string", min = 1, doc = "Who it runs as." },
    { "weight", type = "integer", min = 0, max = 65535, default = 1, doc = "Its share; 0 counts as 1." },
    ignored "network", ignored "locality",
  }
end

local entry_port = {
  { "number", type = "integer", min = 1, max = 65535, required = true, doc = "Port that routes name." },
  { "name", type = "string", required = true, min = 1, doc = "Its name." },
  { "protocol", type = "string", default = "", doc = "HTTP, or HTTPS that a DestinationRule's tls speaks." },
  { "targetPort", type = "integer", min = 1, max = 65535, doc = "Port of the endpoints; number when absent." },
}

local service_entry = {
  strings("hosts", "Hosts, each a service of its own."),
  strings("addresses", "Virtual addresses; nothing listens on them here."),
  { "ports", type = "list", items = { type = "record", fields = entry_port }, doc = "Ports." },
  { "location", type = "string", one_of = { "MESH_EXTERNAL", "MESH_INTERNAL" }, default = "MESH_EXTERNAL",
    doc = "Whether it is of the mesh; told to the metrics alone." },
  { "resolution", type = "string", default = "NONE", doc = "How endpoints are found.",
    one_of = { "NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS" } },
  { "endpoints", type = "list", items = { type = "record", fields = workload_entry(false) }, doc = "Endpoints." },
  { "workloadSelector", type = "record", doc = "Pods and WorkloadEntries that are its endpoints.", fields = {
    labels("labels", "Labels that they carry.", {}) } },
  strings("exportTo", "Namespaces that may name it: '*' (when absent), '.', or names."),
  strings("subjectAltNames", "Names of which one must be in the certificate of its endpoints."),
}

return {
  ServiceEntry = fields.kind(fields.NETWORKING, service_entry, true),
  WorkloadEntry = fields.kind(fields.NETWORKING, workload_entry(true), true),
}
