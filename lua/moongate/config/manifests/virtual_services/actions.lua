--- actions: what a VirtualService's route does beside sending a request on, as uses of policies.
-- Rules: HTTPRedirect, HTTPDirectResponse, HTTPRewrite, HTTPFaultInjection, HTTPMirrorPolicy, CorsPolicy
-- (networking.istio.io).
local base64 = require "moongate.base64"
local path_to = require "moongate.config.manifests.path"
local pattern = require "moongate.config.manifests.pattern"

local actions = {}

local PREFIX = "%PREFIX()%"
local LEAST_PERCENT = 0.0001 -- one in a million
local METHODS = { DELETE = true, GET = true, HEAD = true, OPTIONS = true, PATCH = true, POST = true, PUT = true,
  CONNECT = true, TRACE = true, ["*"] = true }
local USUAL = { http = 80, https = 443 }
local GRPC = { OK = 0, CANCELLED = 1, UNKNOWN = 2, INVALID_ARGUMENT = 3, DEADLINE_EXCEEDED = 4, NOT_FOUND = 5,
  ALREADY_EXISTS = 6, PERMISSION_DENIED = 7, RESOURCE_EXHAUSTED = 8, FAILED_PRECONDITION = 9, ABORTED = 10,
  OUT_OF_RANGE = 11, UNIMPLEMENTED = 12, INTERNAL = 13, UNAVAILABLE = 14, DATA_LOSS = 15, UNAUTHENTICATED = 16 }

local function use(object, path, name, conf) return { name = name, conf = conf, at = object:place(path) } end

-- The beginning of the path that a match takes, which a rewrite replaces; nil when that is the whole path.
local function replaced(match, to)
  local path = match.path
  if path and (path.exact or path.regex) then return nil end
  return { from = path and path.starts_with or "/", to = to, literal = true, ignore_case = path and path.ignore_case }
end

-- Puts a new path for what a match takes into `conf`, as policies rewrite and redirect have it.
local function new_path(object, path, match, text, conf)
  if text:sub(1, 1) ~= "/" and text ~= "" or text:find("[#%s%c]") then
    return object:refuse(path, ("expected a path that starts with '/', got %q"):format(text))
  end
  conf.prefix = replaced(match, text)
  if not conf.prefix then conf.path = text ~= "" and text or "/" end
end

-- ---- redirect and directResponse ----------------------------------------------------------

local function redirect_path(object, path, match, said, conf)
  local uri, prefix = said.uri or "", said.prefixRewrite
  local at = path_to(path, prefix and "prefixRewrite" or "uri")
  if prefix and match.path and not match.path.starts_with then
    return object:refuse(at, "needs matches whose uri is a prefix")
  end
  if prefix and uri ~= "" then return object:refuse(at, "expected one of uri and prefixRewrite, found both") end
  if uri:sub(1, #PREFIX) == PREFIX then prefix = uri:sub(#PREFIX + 1) end
  if prefix then return new_path(object, at, match, prefix, conf) end
  if uri == "" then return end
  local new, query = uri:match("^([^?]*)%??(.*)$")
  if new:sub(1, 1) ~= "/" or uri:find("[#%s%c]") then
    return object:refuse(at, ("expected a path that starts with '/', got %q"):format(uri))
  end
  conf.path, conf.query = new, query ~= "" and query or nil
end

-- Without a port the client's own counts; FROM_REQUEST_PORT is the listener's.
local function redirect_port(said, conf, from)
  if said.port then
    conf.port = said.port
  elseif said.derivePort == "FROM_REQUEST_PORT" then
    conf.port = from.port
  elseif said.derivePort == "FROM_PROTOCOL_DEFAULT" then
    conf.scheme = conf.scheme or from.tls and "https" or "http"
    conf.port = USUAL[conf.scheme]
  end
end

--- The use that answers with another place.
function actions.redirect(object, path, said, match, from)
  local conf = { host = said.authority ~= "" and said.authority or nil, scheme = said.scheme, client_port = true,
    status = said.redirectCode ~= 0 and said.redirectCode or 301 }
  local new = (said.uri or "") ~= "" or (said.prefixRewrite or "") ~= "" or conf.host or said.scheme or said.port
  if not new and not said.derivePort then
    object:refuse(path, "expected uri, prefixRewrite, authority, scheme or port")
  end
  if said.port and said.derivePort then
    object:refuse(path_to(path, "derivePort"), "expected one of port and derivePort, found both")
  end
  redirect_path(object, path, match, said, conf)
  redirect_port(said, conf, from)
  -- In the mesh TLS is between proxies: who asked did so in clear text.
  if from.gateway == "mesh" then conf.scheme = conf.scheme or "http" end
  return use(object, path, "redirect", conf)
end

--- The use that answers here.
function actions.direct_response(object, path, said)
  local body = said.body or {}
  local text = body.string
  if body.bytes then
    text = base64.decode((body.bytes:gsub("%s", "")))
    if not text then object:refuse(path_to(path, "body", "bytes"), "expected base64") end
    if body.string then object:refuse(path_to(path, "body"), "expected one of string and bytes, found both") end
  end
  return use(object, path, "respond", { status = said.status, body = text })
end

-- ---- on the way ---------------------------------------------------------------------------

--- The use that changes path and host, or nil.
-- @param authority that header changes name, or nil
function actions.rewrite(object, path, said, match, authority)
  local conf, regex = { host = authority, original_path = "x-envoy-original-path" }, said and said.uriRegexRewrite
  if said and said.authority and said.authority ~= "" then conf.host = said.authority end
  if said and not regex and (said.uri or "") == "" and not conf.host then
    object:refuse(path, "expected uri, authority or uriRegexRewrite")
  end
  if regex then
    if (said.uri or "") ~= "" then object:refuse(path, "expected one of uri and uriRegexRewrite, found both") end
    local checked = pattern.check(object, path_to(path, "uriRegexRewrite", "match"), regex.match)
    conf.regex = checked and { match = checked, rewrite = regex.rewrite }
  elseif said and (said.uri or "") ~= "" then
    new_path(object, path_to(path, "uri"), match, said.uri, conf)
  end
  if not (conf.path or conf.prefix or conf.regex or conf.host) then return nil end
  return use(object, path, "rewrite", conf)
end

-- Absent, it is none of the requests, and not all.
local function share(object, path, part)
  local percent = part and (part.percentage and part.percentage.value or part.percent) or 0
  if percent > 0 and percent < LEAST_PERCENT then
    object:refuse(path_to(path, "percentage", "value"), "expected 0, or at least 0.0001")
  end
  if part and percent == 0 then
    object:warn(path, "has no effect: its percentage is 0, as it is where none is written")
  end
  return percent
end

local function abort_of(object, path, said, percent)
  local grpc = said.grpcStatus and GRPC[said.grpcStatus]
  if (said.httpStatus == nil) == (said.grpcStatus == nil) then
    object:refuse(path, "expected one of httpStatus and grpcStatus")
  elseif said.grpcStatus and not grpc then
    object:refuse(path_to(path, "grpcStatus"), ("%s is no gRPC status; UNAVAILABLE is one"):format(said.grpcStatus))
  end
  return percent > 0 and { status = said.httpStatus, grpc_status = grpc, percent = percent } or nil
end

--- The use that delays and aborts, or nil; a share that is absent is none (not all).
function actions.fault(object, path, said)
  local delay, abort = said.delay, said.abort
  if not delay and not abort then return object:refuse(path, "expected delay or abort") end
  if delay and delay.fixedDelay == 0 then
    object:refuse(path_to(path, "delay", "fixedDelay"), "expected at least 1ms")
  end
  local delayed = share(object, path_to(path, "delay"), delay)
  local conf = {
    delay = delayed > 0 and delay.fixedDelay > 0 and { fixed = delay.fixedDelay / 1000, percent = delayed } or nil,
    abort = abort and abort_of(object, path_to(path, "abort"), abort,
      share(object, path_to(path, "abort"), abort)),
  }
  return next(conf) and use(object, path, "fault", conf) or nil
end

local function check_cors(object, path, said)
  for i, method in ipairs(said.allowMethods or {}) do
    if not METHODS[method] then
      object:refuse(path_to(path, "allowMethods", i), ("%s is no method that may stand here"):format(method))
    end
  end
  if said.maxAge and said.maxAge % 1000 ~= 0 then object:refuse(path_to(path, "maxAge"), "expected whole seconds") end
  for i, origin in ipairs(said.allowOrigins or {}) do
    for _, kind in ipairs { "exact", "prefix", "regex" } do
      if origin[kind] == "" then object:refuse(path_to(path, "allowOrigins", i, kind), "expected a text") end
    end
  end
end

--- The use that answers browsers.
function actions.cors(object, path, said)
  check_cors(object, path, said)
  local list = {}
  for i, spec in ipairs(said.allowOrigins or {}) do list[i] = spec end
  if #list > 0 and #(said.allowOrigin or {}) > 0 then
    object:warn(path_to(path, "allowOrigin"), "is not asked: allowOrigins stands beside it")
  end
  for i, text in ipairs(#list == 0 and said.allowOrigin or {}) do list[i] = { exact = text } end
  return use(object, path, "cors", { allow_origins = list, allow_methods = said.allowMethods,
    allow_headers = said.allowHeaders, expose_headers = said.exposeHeaders,
    allow_credentials = said.allowCredentials, max_age = said.maxAge and said.maxAge / 1000, literal = true,
    unmatched_preflights = said.unmatchedPreflights == "IGNORE" and "answer" or "forward" })
end

-- ---- mirrors ------------------------------------------------------------------------------

local function mirror(object, path, destination, percent, from)
  local service, subset, guard = from.backends:resolve(object, path, destination, from)
  if not service or percent == 0 then return nil end
  if guard and not guard.harmless then
    return object:refuse(path, "policies guard that service, and copies cannot be asked about by them here")
  end
  return use(object, path, "mirror", { service = service, subset = subset, percent = percent, shadow_host = true })
end

--- The uses that send copies; a share that is absent is all.
function actions.mirrors(object, path, http, from)
  local list = {}
  for _, field in ipairs(http.mirror and {} or { "mirrorPercentage", "mirrorPercent" }) do
    if http[field] then object:warn(path_to(path, field), "has no effect: mirror does not stand beside it") end
  end
  if http.mirror and #(http.mirrors or {}) > 0 then
    object:refuse(path_to(path, "mirrors"), "expected one of mirror and mirrors, found both")
  end
  if http.mirror then
    local percent = http.mirrorPercentage and http.mirrorPercentage.value or http.mirrorPercent or 100
    list[1] = mirror(object, path_to(path, "mirror"), http.mirror, percent, from)
  end
  for i, entry in ipairs(http.mirrors or {}) do
    local percent = entry.percentage and entry.percentage.value or 100
    list[#list + 1] = mirror(object, path_to(path, "mirrors", i, "destination"), entry.destination, percent, from)
  end
  return list
end

return actions
