--- The mesh's extension providers: services that policies and logs may name (MeshConfig.extensionProviders).
local access_log = require "policies.access_log"
local json = require "moongate.json"
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
    { "labels", type = "map", values = { type = "string" }, doc = "Names and format strings, as JSON." } } },
  ignored "omitEmptyValues",
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

-- ---- access logs --------------------------------------------------------------------------

local STREAMS = { ["/dev/stdout"] = "stdout", ["/dev/stderr"] = "stderr" }
local ENVOY = "envoy" -- the provider that every mesh has

-- Istio's usual line, as text and as JSON.
local TEXT = '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
  .. '%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% '
  .. '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
  .. '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" '
  .. '"%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% '
  .. '%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%'
local LABELS = {
  start_time = "%START_TIME%", route_name = "%ROUTE_NAME%", method = "%REQ(:METHOD)%",
  path = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", protocol = "%PROTOCOL%", response_code = "%RESPONSE_CODE%",
  response_flags = "%RESPONSE_FLAGS%", response_code_details = "%RESPONSE_CODE_DETAILS%",
  connection_termination_details = "%CONNECTION_TERMINATION_DETAILS%", bytes_received = "%BYTES_RECEIVED%",
  bytes_sent = "%BYTES_SENT%", duration = "%DURATION%",
  upstream_service_time = "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", x_forwarded_for = "%REQ(X-FORWARDED-FOR)%",
  user_agent = "%REQ(USER-AGENT)%", request_id = "%REQ(X-REQUEST-ID)%", authority = "%REQ(:AUTHORITY)%",
  upstream_host = "%UPSTREAM_HOST%", upstream_cluster = "%UPSTREAM_CLUSTER_RAW%",
  upstream_local_address = "%UPSTREAM_LOCAL_ADDRESS%", downstream_local_address = "%DOWNSTREAM_LOCAL_ADDRESS%",
  downstream_remote_address = "%DOWNSTREAM_REMOTE_ADDRESS%", requested_server_name = "%REQUESTED_SERVER_NAME%",
  upstream_transport_failure_reason = "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
}

--- Settings of policy access_log for a file and a format ({ text or labels }; empty: Istio's line).
function extension_providers.file_log(path, format)
  local labels = format.labels
  if labels and next(labels) == nil then labels = LABELS end
  return { path = STREAMS[path] or path, fields = labels,
    format = labels and "json" or (format.text or TEXT):gsub("\n$", "") }
end

local function file_conf(conf) return extension_providers.file_log(conf.path, conf.logFormat or {}) end

--- The format that MeshConfig says: { text or labels }; mistakes are refused.
function extension_providers.log_format(mesh, refuse)
  local text, format = mesh.accessLogFormat, {}
  if mesh.accessLogEncoding == "JSON" then
    local labels = text ~= "" and json.decode(text) or {}
    for _, value in pairs(type(labels) == "table" and labels or { false }) do
      if type(value) ~= "string" then
        refuse "accessLogFormat: expected JSON: names and format strings"
        return {}
      end
    end
    format.labels = labels
  elseif text ~= "" then
    format.text = text
  end
  local _, why = access_log.check(extension_providers.file_log("", format))
  if why then refuse("accessLogFormat: " .. why) end
  return format
end

--- The settings of policy access_log for the provider of that name; or nil and why there is no log.
function extension_providers.access_log(name, mesh)
  local provider = mesh.providers[name]
  if not provider and name == ENVOY then return extension_providers.file_log("/dev/stdout", mesh.log_format) end
  if not provider then return nil, extension_providers.unknown(name, mesh.providers) end
  if provider.kind ~= "envoyFileAccessLog" then
    return nil, ("%s is of the kind %s, which is not supported as a log; envoyFileAccessLog is"):format(name,
      provider.kind)
  end
  return file_conf(provider.conf)
end

local function check_http(conf, refuse)
  local status = tonumber(conf.statusOnError or 403)
  if not status or status % 1 ~= 0 or status < 200 or status > 599 then
    refuse("statusOnError: expected a status from 200 to 599, found " .. schema.show(conf.statusOnError))
  end
end

local function check_log(conf, refuse)
  local format = conf.logFormat or {}
  if format.text and format.labels then return refuse "logFormat: expected one of text and labels" end
  local _, why = access_log.check(file_conf(conf))
  if why then refuse("logFormat: " .. why) end
end

local CHECKS = { envoyExtAuthzHttp = check_http, envoyFileAccessLog = check_log }

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
      local check = CHECKS[kind]
      if check then check(provider[kind], function(message) refuse(("%s.%s.%s"):format(at, kind, message)) end) end
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
