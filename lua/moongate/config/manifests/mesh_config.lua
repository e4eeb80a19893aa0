--- What holds for the whole mesh: MeshConfig, as Istio keeps it, in `data.mesh` of ConfigMap istio in istio-system.
local extension_providers = require "moongate.config.manifests.extension_providers"
local schema = require "moongate.schema"
local yaml = require "moongate.yaml"

local mesh_config = {}

local NORMALIZATIONS = { DEFAULT = "base", NONE = "none", BASE = "base", MERGE_SLASHES = "merge_slashes",
  DECODE_AND_MERGE_SLASHES = "decode_and_merge_slashes" }

local NAMESPACE = { type = "string", pattern = "^[%w][%w-]*$" }
local DOMAIN = { type = "string", pattern = "^[%w][%w._-]*$" }

local function with(name, field, default, doc)
  return { name, type = field.type, pattern = field.pattern, default = default, doc = doc }
end

-- Istio's gateways write X-Forwarded-Client-Cert of what they saw, unless told otherwise.
local CERT_HEADERS = { UNDEFINED = "set", SANITIZE_SET = "set", SANITIZE = "remove", FORWARD_ONLY = "trust" }

local TOPOLOGY = {
  { "numTrustedProxies", type = "integer", min = 0, max = 255, default = 0,
    doc = "Proxies before gateways whose X-Forwarded-For entries count." },
  { "forwardClientCertDetails", type = "string", default = "UNDEFINED",
    one_of = { "UNDEFINED", "SANITIZE_SET", "SANITIZE", "FORWARD_ONLY" },
    doc = "What becomes of X-Forwarded-Client-Cert." },
}

local FIELDS = {
  with("rootNamespace", NAMESPACE, "istio-system", "Namespace whose policies count for the whole mesh."),
  with("trustDomain", DOMAIN, "cluster.local", "First part of every identity."),
  { "trustDomainAliases", type = "list", items = DOMAIN, default = {}, doc = "Other names of the trust domain." },
  { "pathNormalization", type = "record", default = {}, doc = "One spelling of paths.", fields = {
    { "normalization", type = "string", default = "DEFAULT", doc = "How much of it.",
      one_of = { "DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES" } } } },
  { "defaultConfig", type = "record", default = {}, doc = "Of proxies.", fields = {
    { "gatewayTopology", type = "record", default = {}, doc = "What stands before gateways.", fields = TOPOLOGY } } },
  extension_providers.field,
  { "defaultProviders", type = "record", default = {}, doc = "Providers where nobody names one.", fields = {
    { "accessLogging", type = "list", items = { type = "string" }, default = {}, doc = "Of access logs." },
    { "metrics", type = "any", doc = "Of metrics; taken, without effect here." },
    { "tracing", type = "any", doc = "Of traces; taken, without effect here." } } },
  { "accessLogFile", type = "string", default = "", doc = "File of the access log; none when empty." },
  { "accessLogFormat", type = "string", default = "", doc = "What a line is like; as Istio's when empty." },
  { "accessLogEncoding", type = "string", one_of = { "TEXT", "JSON" }, default = "TEXT", doc = "What the format is." },
}

-- Fields without a meaning here, or not yet; each is named in a warning.
local OTHERS = {}
for name in ([[ca caCertificates certificates configSources
    connectTimeout defaultDestinationRuleExportTo defaultHttpRetryPolicy
    defaultServiceExportTo defaultVirtualServiceExportTo disableEnvoyListenerLog discoverySelectors dnsRefreshRate
    enableAutoMtls enableEnvoyAccessLogService enablePrometheusMerge enableTracing h2UpgradePolicy
    hboneIdleTimeout inboundClusterStatName inboundTrafficPolicy ingressClass ingressControllerMode ingressSelector
    ingressService localityLbSetting meshMTLS outboundClusterStatName outboundTrafficPolicy proxyHttpPort
    proxyInboundListenPort proxyListenPort serviceScopeConfigs serviceSettings tcpKeepalive tlsDefaults
    verifyCertificateAtClient]]):gmatch("%S+") do
  OTHERS[name] = true
end

local PLACE = { "data", "mesh" }

local function read(object)
  local documents, why = yaml.parse(object.body.data.mesh)
  if not documents then return object:refuse(PLACE, ("not YAML: line %d: %s"):format(why.line, why.message)) end
  local value = documents[1] and documents[1].value
  if value == nil or value == yaml.null then return {} end
  if documents[2] or type(value) ~= "table" or yaml.is_list(value) then
    return object:refuse(PLACE, "expected one mapping, the MeshConfig")
  end
  return value
end

-- Of a proxy's settings one part counts.
local function drop_proxy_settings(object, value)
  local config = value.defaultConfig
  for name in pairs(type(config) == "table" and not yaml.is_list(config) and config or {}) do
    if name ~= "gatewayTopology" then
      object:warn(PLACE, ("defaultConfig.%s has no effect here"):format(name))
      config[name] = nil
    end
  end
end

--- The settings checked, those that nobody gave as Istio has them; the defaults alone when there is a mistake.
local function check(object, value)
  local wrong = false
  for name in pairs(OTHERS) do
    if value[name] ~= nil then object:warn(PLACE, name .. " has no effect here") end
    value[name] = nil
  end
  drop_proxy_settings(object, value)
  local checked = schema.check(FIELDS, value, {}, function(path, message)
    object:refuse(PLACE, table.concat(path, ".") .. ": " .. message)
    wrong = true
  end)
  return wrong and schema.check(FIELDS, {}, {}, error) or checked
end

--- The mesh's settings; Istio's defaults where no ConfigMap says otherwise.
-- @return { root_namespace, trust_domain, trust_domains = it and its aliases, path_normalization, providers = extension
-- providers by name, default_logs = names of those that log where nobody names one, log_format, access_log = the log
-- that accessLogFile makes { conf, at } or nil, at, trusted_proxies and client_cert_header = of gateways' listeners }
function mesh_config.read(store)
  local object = store:get("/ConfigMap", "istio-system", "istio")
  local checked = check(object, object and object.body.data.mesh and read(object) or {})
  local domains = { checked.trustDomain, unpack(checked.trustDomainAliases) }
  local function refuse(message) object:refuse(PLACE, message) end
  local topology = checked.defaultConfig.gatewayTopology
  local mesh = { root_namespace = checked.rootNamespace, trust_domain = checked.trustDomain, trust_domains = domains,
    path_normalization = NORMALIZATIONS[checked.pathNormalization.normalization],
    providers = extension_providers.index(checked.extensionProviders, refuse),
    trusted_proxies = topology.numTrustedProxies, client_cert_header = CERT_HEADERS[topology.forwardClientCertDetails],
    default_logs = checked.defaultProviders.accessLogging, at = object and object:place(PLACE),
    log_format = extension_providers.log_format(checked, refuse) }
  local conf = checked.accessLogFile ~= "" and extension_providers.file_log(checked.accessLogFile, mesh.log_format)
  mesh.access_log = conf and { conf = conf, at = mesh.at } or nil
  return mesh
end

return mesh_config
