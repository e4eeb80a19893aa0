--- Fields of the core Kubernetes kinds: services, endpoints, workloads, identities.
-- See kinds/init.lua for `ignored` and `later`.
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, later = fields.ignored, fields.later

local port_protocol = { "protocol", type = "string", one_of = { "TCP", "UDP", "SCTP" }, default = "TCP",
  doc = "Only TCP is served." }
local app_protocol = { "appProtocol", type = "string", doc = "Says what is spoken, before the port's name." }

local service_port = {
  { "name", type = "string", doc = "Names the port; its part before '-' names the protocol." },
  { "port", type = "integer", min = 1, max = 65535, required = true, doc = "Port of the cluster address." },
  { "targetPort", type = { "integer", "string" }, doc = "Port of the pods, or its name there." },
  port_protocol, app_protocol, ignored "nodePort",
}

local service_spec = {
  { "type", type = "string", one_of = { "ClusterIP", "NodePort", "LoadBalancer", "ExternalName" },
    default = "ClusterIP",
    doc = "How the service is reached; all are served at the cluster address." },
  { "clusterIP", type = "string", doc = "Address on which the mesh listens for this service." },
  { "clusterIPs", type = "list", items = { type = "string" }, doc = "Repeats clusterIP." },
  { "selector", type = "map", values = { type = "string" }, doc = "Labels of the pods behind the service." },
  { "ports", type = "list", items = { type = "record", fields = service_port }, doc = "Ports served." },
  ignored "ipFamilies", ignored "ipFamilyPolicy", ignored "internalTrafficPolicy",
  ignored "allocateLoadBalancerNodePorts", ignored "externalTrafficPolicy",
  { "sessionAffinity", type = "string", one_of = { "None", "ClientIP" }, default = "None",
    doc = "ClientIP: a client keeps its endpoint, unless a DestinationRule says how one is chosen." },
  { "externalName", type = "string", min = 1, doc = "Host that a service of type ExternalName is." },
  { "publishNotReadyAddresses", type = "boolean", default = false, doc = "Endpoints that are not ready count too." },
  ignored "sessionAffinityConfig", ignored "externalIPs", ignored "loadBalancerIP", ignored "loadBalancerClass",
  ignored "trafficDistribution", ignored "healthCheckNodePort", later "loadBalancerSourceRanges",
}

local slice_endpoint = {
  fields.strings("addresses", "Addresses of one endpoint."),
  { "conditions", type = "record", doc = "An endpoint that is not ready gets no traffic.", fields = {
    { "ready", type = "boolean", default = true, doc = "Takes traffic." }, ignored "serving", ignored "terminating",
  } },
  { "targetRef", type = "record", doc = "The pod behind the address; tells its Deployment, so its labels.", fields = {
    { "kind", type = "string", doc = "Pod." }, { "name", type = "string", doc = "Name of the pod." },
    { "namespace", type = "string", doc = "Namespace of the pod." },
    ignored "uid", ignored "apiVersion", ignored "resourceVersion", ignored "fieldPath",
  } },
  ignored "hostname", ignored "nodeName", ignored "zone", ignored "hints", ignored "deprecatedTopology",
}

local slice = {
  { "addressType", type = "string", one_of = { "IPv4", "IPv6", "FQDN" }, required = true,
    doc = "Form of the addresses." },
  { "endpoints", type = "list", items = { type = "record", fields = slice_endpoint }, doc = "Who serves." },
  { "ports", type = "list", doc = "Ports of every endpoint, by the names of the service's ports.",
    items = { type = "record", fields = {
      { "name", type = "string", default = "", doc = "Name of the service's port." },
      { "port", type = "integer", min = 1, max = 65535, required = true, doc = "Port number." },
      port_protocol, app_protocol,
    } } },
}

local deployment_spec = {
  { "selector", type = "record", required = true, doc = "Pods that belong to the Deployment.", fields = {
    { "matchLabels", type = "map", values = { type = "string" }, doc = "Labels they carry." },
    ignored "matchExpressions",
  } },
  { "template", type = "record", required = true, doc = "What its pods are like.", fields = {
    { "metadata", type = "record", default = {}, doc = "Labels of the pods.", fields = fields.metadata(false) },
    { "spec", type = "record", default = {}, doc = "Who the pods run as.", fields = fields.pod_spec() },
  } },
  ignored "replicas", ignored "strategy", ignored "minReadySeconds", ignored "revisionHistoryLimit",
  ignored "paused", ignored "progressDeadlineSeconds",
}

return {
  Service = { versions = { "v1" },
    fields = { { "spec", type = "record", required = true, fields = service_spec, doc = "What is served." } } },
  EndpointSlice = { versions = { "discovery.k8s.io/v1" }, fields = slice },
  Deployment = { versions = { "apps/v1" },
    fields = { { "spec", type = "record", required = true, fields = deployment_spec, doc = "The workload." } } },
  ServiceAccount = { versions = { "v1" }, fields = {
    ignored "secrets", ignored "imagePullSecrets", ignored "automountServiceAccountToken" } },
  ConfigMap = { versions = { "v1" }, fields = {
    { "data", type = "map", values = { type = "string" }, default = {}, doc = "Texts by name." },
    ignored "binaryData", ignored "immutable",
  } },
  Namespace = { versions = { "v1" }, cluster_scoped = true, fields = { ignored "spec" } },
  Secret = { versions = { "v1" }, fields = {
    { "type", type = "string", default = "Opaque", doc = "kubernetes.io/tls, or istio.io/key-and-cert." },
    { "data", type = "map", values = { type = "string" }, default = {}, doc = "Values in base64." },
    { "stringData", type = "map", values = { type = "string" }, default = {}, doc = "Values as they are." },
    ignored "immutable",
  } },
}
