--- Fields of the Gateway API's kinds, but for its routes (see kinds/http_route.lua).
local api_types = require "moongate.config.manifests.kinds.api_types"
local fields = require "moongate.config.manifests.kinds.fields"
local ignored, later = fields.ignored, fields.later

local GROUP = "gateway.networking.k8s.io/"
local VERSIONS = { GROUP .. "v1", GROUP .. "v1beta1", GROUP .. "v1alpha2" }

-- metav1.LabelSelectorRequirement: In and NotIn go with values, the others without.
local function check_expressions(list)
  for i, entry in ipairs(list) do
    local operator, values = entry.operator, entry.values
    local needs = operator == "In" or operator == "NotIn"
    local count = type(values) == "table" and #values or 0
    if needs ~= (count > 0) then
      return ("operator %s %s"):format(tostring(operator), needs and "needs values" or "has no values"), i
    end
  end
end

local function selector(doc)
  return { "selector", type = "record", doc = doc, fields = {
    { "matchLabels", type = "map", values = { type = "string" }, default = {}, doc = "Labels it carries." },
    { "matchExpressions", type = "list", check = check_expressions, doc = "Conditions on its labels: all of them.",
      items = { type = "record", fields = {
        { "key", type = "string", required = true, doc = "Name of a label." },
        { "operator", type = "string", one_of = { "In", "NotIn", "Exists", "DoesNotExist" }, required = true,
          doc = "What must hold." },
        fields.strings("values", "Values, for In and NotIn."),
      } } },
  } }
end

local function namespaces(from, default, doc)
  return { "namespaces", type = "record", default = {}, doc = doc, fields = {
    { "from", type = "string", one_of = from, default = default, doc = "Which namespaces." },
    selector "Labels of the namespaces, for Selector.",
  } }
end

-- A reference to another object; `far`: it may stand in another namespace.
local function reference(kind, far)
  local list = {
    { "group", type = "string", default = "", check = api_types.group, doc = "The core group." },
    { "kind", type = "string", default = kind, check = api_types.kind, doc = kind .. "." },
    { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
  }
  if far then
    list[4] = { "namespace", type = "string", check = api_types.namespace,
      doc = "Its namespace; another one needs a ReferenceGrant." }
  end
  return list
end

local listener_tls = {
  { "mode", type = "string", one_of = { "Terminate", "Passthrough" }, default = "Terminate", doc = "Who ends TLS." },
  { "certificateRefs", type = "list", max = 64, doc = "Secrets of type kubernetes.io/tls.", items = { type = "record",
    fields = reference("Secret", true) } },
  later "options",
}

local allowed_routes = {
  namespaces({ "All", "Same", "Selector" }, "Same", "Where routes may stand."),
  { "kinds", type = "list", max = 8, doc = "Kinds of route; what the protocol allows when absent.",
    items = { type = "record", fields = {
      { "group", type = "string", default = "gateway.networking.k8s.io", check = api_types.group,
        doc = "Group of the kind." },
      { "kind", type = "string", required = true, check = api_types.kind, doc = "The kind." },
    } } },
}

local listener = {
  { "name", type = "string", required = true, check = api_types.section, doc = "Names the listener." },
  { "port", type = "integer", min = 1, max = 65535, required = true, doc = "Port; 15008 at a waypoint." },
  { "protocol", type = "string", required = true, check = api_types.protocol,
    doc = "HTTP or HTTPS; HBONE at a waypoint." },
  { "hostname", type = "string", check = api_types.host, doc = "Hosts it serves; all when absent." },
  { "tls", type = "record", fields = listener_tls, doc = "Needed by HTTPS." },
  { "allowedRoutes", type = "record", default = {}, fields = allowed_routes, doc = "Routes that may attach." },
}

local listeners = { "listeners", type = "list", max = 64, items = { type = "record", fields = listener }, default = {},
  doc = "Where it listens, and to whom." }

local client_validation = {
  { "validation", type = "record", doc = "Asks clients for a certificate.", fields = {
    { "caCertificateRefs", type = "list", required = true, min = 1, max = 16, items = { type = "record",
      fields = reference("ConfigMap", true) }, doc = "ConfigMaps with the authorities' certificates in ca.crt." },
    { "mode", type = "string", one_of = { "AllowValidOnly", "AllowInsecureFallback" }, default = "AllowValidOnly",
      doc = "Whether a client without a valid one is let in." },
  } },
}

local gateway_tls = {
  { "frontend", type = "record", doc = "About clients of HTTPS listeners.", fields = {
    { "default", type = "record", required = true, fields = client_validation, doc = "For every port." },
    { "perPort", type = "list", max = 64, check = api_types.unique "port",
      doc = "For one port, in place of the default.", items = { type = "record", fields = {
      { "port", type = "integer", min = 1, max = 65535, required = true, doc = "The port." },
      { "tls", type = "record", required = true, fields = client_validation, doc = "What holds there." } } } },
  } },
  { "backend", type = "record", doc = "About backends that a BackendTLSPolicy speaks for.", fields = {
    { "clientCertificateRef", type = "record", fields = reference("Secret", true),
      doc = "Secret of type kubernetes.io/tls by which the Gateway names itself." },
  } },
}

local function parameters_ref()
  return {
    { "group", type = "string", required = true, check = api_types.group,
      doc = "Group of the kind; the core group when empty." },
    { "kind", type = "string", required = true, check = api_types.kind, doc = "The kind." },
    { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
    { "namespace", type = "string", check = api_types.namespace, doc = "Its namespace." },
  }
end

local gateway = {
  { "gatewayClassName", type = "string", required = true, doc = "A GatewayClass; istio-mesh or istio-waypoint." },
  listeners,
  { "addresses", type = "list", max = 16, check = api_types.addresses,
    doc = "Addresses to bind; every one when absent.", items = { type = "record", fields = {
      { "type", type = "string", default = "IPAddress", check = api_types.address_type,
        doc = "Form of the address; IPAddress alone can be served." },
      { "value", type = "string", default = "", doc = "The address; any when empty." },
    } } },
  { "allowedListeners", type = "record", default = {}, doc = "ListenerSets that may attach.", fields = {
    namespaces({ "All", "Same", "Selector", "None" }, "None", "Where they may stand."),
  } },
  { "infrastructure", type = "record", doc = "About the pods of a cluster.", fields = {
    ignored "labels", ignored "annotations",
    { "parametersRef", type = "record", fields = parameters_ref(), doc = "A ConfigMap; taken without effect." } } },
  { "tls", type = "record", doc = "Certificates beyond those of the listeners.", fields = gateway_tls },
  later "defaultScope",
}

local listener_set = {
  { "parentRef", type = "record", required = true, doc = "The Gateway it adds listeners to.", fields = {
    { "group", type = "string", default = "gateway.networking.k8s.io", check = api_types.group,
      doc = "Group of the kind." },
    { "kind", type = "string", default = "Gateway", check = api_types.kind, doc = "Gateway." },
    { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
    { "namespace", type = "string", check = api_types.namespace, doc = "Its namespace; the set's own when absent." },
  } },
  listeners,
}

local gateway_class = {
  { "controllerName", type = "string", required = true, check = api_types.controller,
    doc = "Who serves the class; here it is this gateway." },
  ignored "description",
  { "parametersRef", type = "record", fields = parameters_ref(), doc = "A ConfigMap; taken without effect." },
}

local grant = {
  { "from", type = "list", required = true, min = 1, max = 16, doc = "Who may refer.", items = { type = "record",
    fields = {
      { "group", type = "string", required = true, check = api_types.group, doc = "Group of the kind." },
      { "kind", type = "string", required = true, check = api_types.kind, doc = "Kind of the object that refers." },
      { "namespace", type = "string", required = true, check = api_types.namespace, doc = "Its namespace." },
    } } },
  { "to", type = "list", required = true, min = 1, max = 16, doc = "To what.", items = { type = "record", fields = {
    { "group", type = "string", required = true, check = api_types.group, doc = "Group of the kind." },
    { "kind", type = "string", required = true, check = api_types.kind, doc = "Kind referred to." },
    { "name", type = "string", min = 1, max = 253, doc = "Its name; any when absent." },
  } } },
}

local san = {
  { "type", type = "string", one_of = { "Hostname", "URI" }, required = true, doc = "Form of the name." },
  { "hostname", type = "string", check = api_types.host, doc = "A DNS name." },
  { "uri", type = "string", min = 1, pattern = "^%a[%w+.-]*:%S+$", doc = "A URI, such as spiffe://..." },
}

local backend_tls_policy = {
  { "targetRefs", type = "list", required = true, min = 1, max = 16, check = api_types.references,
    doc = "Services whose endpoints are called by TLS.", items = { type = "record", fields = {
      { "group", type = "string", required = true, check = api_types.group, doc = "The core group." },
      { "kind", type = "string", required = true, check = api_types.kind, doc = "Service." },
      { "name", type = "string", required = true, min = 1, max = 253, doc = "Its name." },
      { "sectionName", type = "string", check = api_types.section, doc = "Name of one port; all when absent." } } } },
  { "validation", type = "record", required = true, doc = "Which certificates are taken.", fields = {
    { "caCertificateRefs", type = "list", max = 8, items = { type = "record", fields = reference "ConfigMap" },
      doc = "ConfigMaps with the authorities' certificates in ca.crt." },
    { "wellKnownCACertificates", type = "string", check = api_types.well_known,
      doc = "System: those that the system trusts." },
    { "hostname", type = "string", required = true, check = api_types.precise_host,
      doc = "Name sent by SNI, and (without subjectAltNames) the one that the certificate must carry." },
    { "subjectAltNames", type = "list", max = 5, items = { type = "record", fields = san },
      doc = "Names of which the certificate must carry one." } } },
  later "options",
}

local function kind(spec, doc, more)
  local definition = { versions = { unpack(VERSIONS) },
    fields = { { "spec", type = "record", required = true, fields = spec, doc = doc } } }
  for key, value in pairs(more or {}) do definition[key] = value end
  return definition
end

return {
  BackendTLSPolicy = kind(backend_tls_policy, "The policy.", { versions = { GROUP .. "v1", GROUP .. "v1alpha3" } }),
  Gateway = kind(gateway, "The gateway."),
  GatewayClass = kind(gateway_class, "The class.", { cluster_scoped = true }),
  ListenerSet = kind(listener_set, "The listeners."),
  ReferenceGrant = kind(grant, "What may be referred to."),
}
