--- Fields of Endpoints and Pod: who is behind a service where no EndpointSlice says so.
local fields = require "moongate.config.manifests.kinds.fields"
local ignored = fields.ignored

local port_protocol = { "protocol", type = "string", one_of = { "TCP", "UDP", "SCTP" }, default = "TCP",
  doc = "Only TCP is served." }

local address = {
  { "ip", type = "string", required = true, min = 1, doc = "Address of one endpoint." },
  { "targetRef", type = "record", doc = "The pod behind the address; tells its labels.", fields = {
    { "kind", type = "string", doc = "Pod." }, { "name", type = "string", doc = "Name of the pod." },
    { "namespace", type = "string", doc = "Namespace of the pod." },
    ignored "uid", ignored "apiVersion", ignored "resourceVersion", ignored "fieldPath",
  } },
  ignored "hostname", ignored "nodeName",
}

local addresses = { type = "record", fields = address }

local subset = {
  { "addresses", type = "list", items = addresses, doc = "Who takes traffic." },
  { "notReadyAddresses", type = "list", items = addresses, doc = "Who takes none." },
  { "ports", type = "list", doc = "Ports of every address, by the names of the service's ports.",
    items = { type = "record", fields = {
      { "name", type = "string", default = "", doc = "Name of the service's port." },
      { "port", type = "integer", min = 1, max = 65535, required = true, doc = "Port number." },
      port_protocol, { "appProtocol", type = "string", doc = "What is spoken; the service's port says so first." },
    } } },
}

local container_port = {
  { "containerPort", type = "integer", min = 1, max = 65535, required = true, doc = "Port number." },
  { "name", type = "string", doc = "Name that a service's targetPort may use." },
  port_protocol, ignored "hostPort", ignored "hostIP",
}

local container = { { "ports", type = "list", items = { type = "record", fields = container_port },
  doc = "Ports by name." } }
for name in ([[name image command args workingDir envFrom env resources resizePolicy restartPolicy volumeMounts
    volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy
    imagePullPolicy securityContext stdin stdinOnce tty]]):gmatch("%S+") do
  container[#container + 1] = ignored(name)
end

local pod_spec = fields.pod_spec()
for i = #pod_spec, 1, -1 do
  if pod_spec[i][1] == "containers" then table.remove(pod_spec, i) end
end
table.insert(pod_spec, { "containers", type = "list", items = { type = "record", fields = container },
  doc = "Where named ports are found." })

local condition = {
  { "type", type = "string", required = true, doc = "Ready is looked at." },
  { "status", type = "string", required = true, doc = "True, False or Unknown." },
}
for name in ([[lastProbeTime lastTransitionTime message observedGeneration reason]]):gmatch("%S+") do
  condition[#condition + 1] = ignored(name)
end

local pod_status = {
  { "podIP", type = "string", min = 1, doc = "Its address." },
  { "phase", type = "string", doc = "Running and Pending ones count." },
  { "conditions", type = "list", items = { type = "record", fields = condition },
    doc = "One that is not Ready takes no traffic." },
}
for name in ([[allocatedResources containerStatuses ephemeralContainerStatuses hostIP hostIPs initContainerStatuses
    message nominatedNodeName observedGeneration podIPs qosClass reason resize resourceClaimStatuses
    startTime]]):gmatch("%S+") do
  pod_status[#pod_status + 1] = ignored(name)
end

return {
  Endpoints = { versions = { "v1" }, fields = {
    { "subsets", type = "list", items = { type = "record", fields = subset }, doc = "Addresses and their ports." } } },
  Pod = { versions = { "v1" }, with_status = true, fields = {
    { "spec", type = "record", default = {}, fields = pod_spec, doc = "Who it runs as, and its named ports." },
    { "status", type = "record", default = {}, fields = pod_status, doc = "Its address." } } },
}
