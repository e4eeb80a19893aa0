--- filters: turns the filters of a rule, or of one backend, into uses of policies.
-- They take effect in one order, whatever order they are written in: CORS, external authorization, headers, redirect,
-- rewrite, mirror.
local backend_refs = require "moongate.config.manifests.gateway_api.backend_refs"
local path_of = require "moongate.config.manifests.path"

local filters = {}

local FIELD = {
  RequestHeaderModifier = "requestHeaderModifier", ResponseHeaderModifier = "responseHeaderModifier",
  RequestRedirect = "requestRedirect", URLRewrite = "urlRewrite", RequestMirror = "requestMirror", CORS = "cors",
  ExtensionRef = "extensionRef", ExternalAuth = "externalAuth",
}

-- Names compare in any case; of several entries with one name the first counts (HTTPHeaderFilter).
local function header_map(list)
  local map, seen = {}, {}
  for _, entry in ipairs(list or {}) do
    local name = entry.name:lower()
    if not seen[name] then map[entry.name] = entry.value end
    seen[name] = true
  end
  return next(map) and map or nil
end

local function header_change(spec)
  return { set = header_map(spec.set), add = header_map(spec.add), remove = spec.remove }
end

-- Some write paths without the slash that each of them begins with.
local function rooted(text)
  return text ~= "" and text:sub(1, 1) ~= "/" and "/" .. text or text
end

-- { path = } or { prefix = } for the policies redirect and rewrite; judge() has seen it, and `matched`.
local function new_path(modifier, matched)
  if not modifier then return {} end
  if modifier.replaceFullPath then
    return { path = modifier.replaceFullPath ~= "" and rooted(modifier.replaceFullPath) or "/" }
  end
  return { prefix = { from = matched.prefix, to = rooted(modifier.replacePrefixMatch) } }
end

local makers = {}

function makers.RequestHeaderModifier(_, _, _, spec) return "headers", { request = header_change(spec) } end

function makers.ResponseHeaderModifier(_, _, _, spec) return "headers", { response = header_change(spec) } end

function makers.RequestRedirect(_, _, _, spec, matched)
  local conf = new_path(spec.path, matched)
  conf.scheme, conf.host, conf.port, conf.status = spec.scheme, spec.hostname, spec.port, spec.statusCode
  return "redirect", conf
end

function makers.URLRewrite(_, _, _, spec, matched)
  local conf = new_path(spec.path, matched)
  conf.host = spec.hostname
  if next(conf) == nil then return nil end
  return "rewrite", conf
end

local function percent_of(route, path, spec)
  local fraction = spec.fraction
  if not fraction then return spec.percent or 100 end
  if spec.percent then return route:refuse(path, "expected one of percent and fraction, found both") end
  if fraction.numerator > fraction.denominator then
    return route:refuse(path_of(path, "fraction"), "the numerator is greater than the denominator")
  end
  return fraction.numerator * 100 / fraction.denominator
end

function makers.RequestMirror(context, route, path, spec)
  local percent = percent_of(route, path, spec)
  local at = path_of(path, "backendRef")
  local service, guard = backend_refs.service(context, route, at, spec.backendRef, "gets no copies")
  if guard then
    return route:warn(at, "AuthorizationPolicies guard it and it has no clusterIP where they could; gets no copies")
  end
  if not service or not percent then return nil end
  return "mirror", { service = service, percent = percent }
end

-- "*" among others says no more than alone.
local function exposed(list)
  for _, name in ipairs(list or {}) do
    if name == "*" then return { "*" } end
  end
  return list
end

function makers.CORS(_, _, _, spec)
  return "cors", { allow_origins = spec.allowOrigins, allow_methods = spec.allowMethods,
    allow_headers = spec.allowHeaders, expose_headers = exposed(spec.exposeHeaders),
    allow_credentials = spec.allowCredentials, max_age = spec.maxAge }
end

-- Who cannot be asked lets nobody pass.
function makers.ExternalAuth(context, route, path, spec)
  local at = path_of(path, "backendRef")
  local service, guard = backend_refs.service(context, route, at, spec.backendRef, "all is answered 500")
  if guard then
    route:warn(at, "AuthorizationPolicies guard it and it has no clusterIP where they could; all is answered 500")
  end
  if not service or guard then return "respond", { status = 500 } end
  local http, size = spec.http or {}, spec.forwardBody and spec.forwardBody.maxSize or 0
  if #(http.allowedResponseHeaders or {}) == 0 then
    route:warn(path, "without http.allowedResponseHeaders no header of its answer goes to the backend")
  end
  return "ext_authz", { service = service, path_prefix = (http.path or ""):gsub("/+$", ""),
    request_headers = http.allowedHeaders, upstream_headers = http.allowedResponseHeaders,
    body = size > 0 and { limit = size } or nil }
end

local ORDER = { "CORS", "ExternalAuth", "RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect",
  "URLRewrite", "RequestMirror" }

-- Filters that are known by name and not supported: the rule cannot be served without them.
local function is_unsupported(filter)
  return filter.type == "ExtensionRef" or filter.externalAuth and filter.externalAuth.protocol ~= "HTTP"
end

-- The filters by type, each with its index; a mistake in their form is refused.
local function by_type(route, path, list)
  local found = {}
  for i, filter in ipairs(list) do
    local at, kind = path_of(path, i), filter.type
    if found[kind] and kind ~= "RequestMirror" then route:refuse(at, kind .. " stands twice") end
    for other, field in pairs(FIELD) do
      if (filter[field] ~= nil) ~= (other == kind) then
        route:refuse(at, filter[field] == nil and ("type %s needs %s"):format(kind, field)
          or ("%s does not belong to type %s"):format(field, kind))
        return {}
      end
    end
    found[kind] = found[kind] or {}
    table.insert(found[kind], i)
  end
  if found.RequestRedirect and found.URLRewrite then
    route:refuse(path, "RequestRedirect and URLRewrite exclude each other")
  end
  return found
end

-- HTTPPathModifier. A prefix can be replaced where there is one: its rule has one match, of type PathPrefix.
local function judge_path(route, path, modifier, one_prefix)
  local field = modifier.type == "ReplaceFullPath" and "replaceFullPath" or "replacePrefixMatch"
  local value = modifier[field]
  if not value or modifier.replaceFullPath and modifier.replacePrefixMatch then
    route:refuse(path, ("type %s needs %s, and that alone"):format(modifier.type, field))
  elseif value:find("[?#%s%c]") then
    route:refuse(path_of(path, field), ("expected a path, got %q"):format(value))
  elseif field == "replacePrefixMatch" and not one_prefix then
    route:refuse(path_of(path, field), "needs a rule that has one match, of type PathPrefix")
  elseif rooted(value) ~= value then
    route:warn(path_of(path, field), ("is taken for %q"):format(rooted(value)))
  end
end

--- Judges filters for the status of their route: sets route.unsupported and route.unresolved.
-- @param one_prefix whether their rule has one match, of type PathPrefix
-- @return whether one of them answers every request
function filters.judge(context, route, path, list, one_prefix)
  local found = by_type(route, path, list)
  for i, filter in ipairs(list) do
    local at = path_of(path, i)
    local changed = filter.requestRedirect or filter.urlRewrite
    if changed and changed.path then
      judge_path(route, path_of(at, FIELD[filter.type], "path"), changed.path, one_prefix)
    end
    if is_unsupported(filter) then
      local message = ("filters of type %s are not supported%s"):format(filter.type,
        filter.externalAuth and " with the protocol " .. filter.externalAuth.protocol or "")
      route.unsupported = route.unsupported or { reason = "UnsupportedValue", message = message }
      route:refuse(path_of(at, "type"), message)
    elseif filter.externalAuth and (filter.externalAuth.grpc or not filter.externalAuth.http) then
      route:refuse(path_of(at, "externalAuth"), "protocol HTTP needs http, and that alone")
    elseif filter.requestMirror or filter.externalAuth then
      local field = filter.requestMirror and "requestMirror" or "externalAuth"
      backend_refs.check(context, route, path_of(at, field, "backendRef"), filter[field].backendRef)
    end
  end
  if found.RequestRedirect and found.URLRewrite then
    route.unsupported = route.unsupported or { reason = "IncompatibleFilters",
      message = "RequestRedirect and URLRewrite exclude each other" }
  end
  return found.RequestRedirect ~= nil
end

--- @param context { store, services_by_name, backends, ... }
-- @param path of the list; @param list of filters
-- @param matched { prefix = the path prefix that the rule's match has, or nil }
-- @return array of uses of policies
function filters.uses(context, route, path, list, matched)
  local uses, found = {}, by_type(route, path, list)
  for _, kind in ipairs(ORDER) do
    for _, i in ipairs(found[kind] or {}) do
      local at = path_of(path, i, FIELD[kind])
      local name, conf = makers[kind](context, route, at, list[i][FIELD[kind]], matched)
      if name then uses[#uses + 1] = { name = name, conf = conf, at = route:place(at) } end
    end
  end
  return uses
end

return filters
