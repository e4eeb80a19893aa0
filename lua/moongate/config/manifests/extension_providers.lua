--- The mesh's extension providers: services that policies and logs may name (MeshConfig.extensionProviders).
local schema = require "moongate.schema"
local services = require "moongate.config.manifests.services"
local suggest = require "moongate.suggest"

local extension_providers = {}

local STATUS = { type = { "string", "integer" } }

local function names(name, doc)
  return { name, type = "list", items = { type = "string", min = 1 }, doc = doc }
end

local function ignored(name) return { name, type = "any", doc = "Taken, without effect here." } end

local REQUEST_BODY = {
  { "maxRequestBytes", type = "integer", min = 1, max = 1073741824, required = true, doc = "Longest body sent." },
  { "allowPartialMessage", type = "boolean", default = false, doc = "Sends the start of a longer one." },
  ignored "packAsBytes",
}

local HTTP = {
  { "service", type = "string", min = 1, required = true, doc = "Host that is asked, with or without namespace/." },
  { "port", type = "integer", min = 1, max = 65535, required = true, doc = "Its port." },
  { "timeout", type = "duration", min = 1, default = "600s", doc = "Until the whole answer." },
  { "pathPrefix", type = "string", default = "", doc = "Stands before the request's path." },
  { "failOpen", type = "boolean", default = false, doc = "A failure lets the request pass." },
  { "statusOnError", type = STATUS.type, doc = "Status after a failure." },
  names("includeHeadersInCheck", "Old form of includeRequestHeadersInCheck."),
  names("includeRequestHeadersInCheck", "Fields of the request that are sent too."),
  { "includeAdditionalHeadersInCheck", type = "map", values = { type = "string" }, doc = "Fields always sent." },
  { "includeRequestBodyInCheck", type = "record", fields = REQUEST_BODY, doc = "Sends the body too." },
  names("headersToUpstreamOnAllow", "Fields of the answer that the request takes along."),
  names("headersToDownstreamOnDeny", "Fields of the answer that a refused client gets; all when absent."),
  names("headersToDownstreamOnAllow", "Fields of the answer that are added to the response."),
}

local LOG = {
  { "path", type = "string", default = "/dev/stdout", doc = "File that lines are added to." },
  { "logFormat", type = "record", doc = "What a line is like.", fields = {
    { "text", type = "string", doc = "A format string." },
    { "labels", type = "map", values = { type = "any" }, doc = "Names and format strings, as JSON." } } },
}

-- What a provider may be; only those with fields have a meaning here.
local KINDS = { envoyExtAuthzHttp = HTTP, envoyFileAccessLog = LOG }
local OTHERS = {}
for name in ([[envoyExtAuthzGrpc zipkin lightstep datadog stackdriver opencensus skywalking opentelemetry prometheus
    envoyHttpAls envoyTcpAls envoyOtelAls sds]]):gmatch("%S+") do
  OTHERS[#OTHERS + 1] = name
end

local PROVIDER = { { "name", type = "string", min = 1, required = true, doc = "By which policies mean it." } }
for name, fields in pairs(KINDS) do PROVIDER[#PROVIDER + 1] = { name, type = "record", fields = fields, doc = name } end
for _, name in ipairs(OTHERS) do PROVIDER[#PROVIDER + 1] = ignored(name) end

--- The field of MeshConfig, for its schema.
extension_providers.field = { "extensionProviders", type = "list", default = {}, doc = "Services that others name.",
  items = { type = "record", fields = PROVIDER } }

local function kind_of(provider)
  local found
  for _, field in ipairs(PROVIDER) do
    if field[1] ~= "name" and provider[field[1]] ~= nil then
      if found then return nil end
      found = field[1]
    end
  end
  return found
end

local function check_http(conf, refuse)
  local status = tonumber(conf.statusOnError or 403)
  if not status or status % 1 ~= 0 or status < 200 or status > 599 then
    refuse("statusOnError: expected a status from 200 to 599, found " .. schema.show(conf.statusOnError))
  end
end

--- Checks the list as the schema gave it, and indexes it.
-- @param refuse function(message) for every mistake
-- @return { [name] = { name, kind, conf } }
function extension_providers.index(list, refuse)
  local index = {}
  for i, provider in ipairs(list) do
    local at, kind = ("extensionProviders[%d]"):format(i - 1), kind_of(provider)
    if not kind then
      refuse(at .. ": expected exactly one kind of provider")
    elseif index[provider.name] then
      refuse(("%s.name: there are two providers %s"):format(at, provider.name))
    else
      index[provider.name] = { name = provider.name, kind = kind, conf = provider[kind] }
      if kind == "envoyExtAuthzHttp" then
        check_http(provider[kind], function(message) refuse(("%s.%s.%s"):format(at, kind, message)) end)
      end
    end
  end
  return index
end

-- The Service of "host" or "namespace/host", by its full name (as Istio's registry has it), and its port.
local function find(text, number, by_name)
  local namespace, host = text:match("^([^/]+)/(.+)$")
  local service = by_name[(host or text):lower()]
  if not service or namespace and service.object.namespace ~= namespace then
    return nil, services.unknown(text, by_name)
  end
  return service, services.port(service, number)
end

--- The settings of policy ext_authz for a provider; its Service's endpoints are called directly.
-- @return settings, or nil and why the provider cannot be asked
function extension_providers.ext_authz(provider, backends)
  local conf = provider.conf
  local service, port, why = find(conf.service, conf.port, backends.by_name)
  if not service or not port then return nil, why or port end
  local body = conf.includeRequestBodyInCheck
  return {
    service = backends:direct(service, port), timeout = conf.timeout / 1000, path_prefix = conf.pathPrefix,
    fail_open = conf.failOpen, status_on_error = tonumber(conf.statusOnError or 403),
    request_headers = conf.includeRequestHeadersInCheck or conf.includeHeadersInCheck,
    add_headers = conf.includeAdditionalHeadersInCheck or {},
    body = body and { limit = body.maxRequestBytes, allow_partial = body.allowPartialMessage },
    upstream_headers = conf.headersToUpstreamOnAllow, allow_headers = conf.headersToDownstreamOnAllow,
    deny_headers = conf.headersToDownstreamOnDeny,
  }
end

--- A message for a name that is no provider.
function extension_providers.unknown(name, index)
  return ("there is no extension provider %s%s"):format(name, suggest.hint(name, suggest.keys(index)))
end

return extension_providers
