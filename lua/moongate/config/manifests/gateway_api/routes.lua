--- routes: turns the rules of an HTTPRoute or GRPCRoute into routes of the model, one for each match, at one place: a
-- section of a listener, or a port of a service in the mesh.
local backend_refs = require "moongate.config.manifests.gateway_api.backend_refs"
local filters = require "moongate.config.manifests.gateway_api.filters"
local grpc_match = require "moongate.config.manifests.gateway_api.grpc_match"
local path_of = require "moongate.config.manifests.path"
local pattern = require "moongate.config.manifests.pattern"

local routes = {}

-- HTTPPathMatch, for Exact and PathPrefix.
local FORBIDDEN = { "//", "/./", "/../", "%2f", "%2F" }
local NOT_IN_PATHS = "[^%w/._~!$&'()*+,;=:@-]"
local MOST_MATCHES = 128 -- of all rules of a route (HTTPRouteSpec.rules)

local function path_match(route, path, spec)
  local value = spec.value
  if spec.type == "RegularExpression" then
    return { regex = pattern.check(route, path_of(path, "value"), value) }
  end
  local plain = value:find("%", 1, true) and value:gsub("%%%x%x", "") or value
  local bad = value:sub(1, 1) ~= "/" or value:find("/%.%.?$") or plain:find(NOT_IN_PATHS)
  for _, text in ipairs(FORBIDDEN) do bad = bad or value:find(text, 1, true) end
  if bad then
    return route:refuse(path_of(path, "value"), ("expected a path that starts with '/', without '//', '/./', '/../', "
      .. "'%%2f' and what has to be written as %%XX, got %q"):format(value))
  end
  if spec.type == "Exact" then return { exact = value } end
  local prefix = value:gsub("/+$", "")
  return { prefix = prefix ~= "" and prefix or "/" }
end

-- Of several entries with one name the first counts.
local function value_matches(route, path, list, any_case)
  local values, seen = {}, {}
  for i, entry in ipairs(list) do
    local name = any_case and entry.name:lower() or entry.name
    local is_pattern = entry.type == "RegularExpression"
    local regex = is_pattern and pattern.check(route, path_of(path, i, "value"), entry.value) or nil
    if not seen[name] then
      values[#values + 1] = { name = name, exact = not is_pattern and entry.value or nil, regex = regex }
    end
    seen[name] = true
  end
  return values
end

local function convert_match(route, path, spec)
  if route.kind == "GRPCRoute" then
    return { path = grpc_match.path(route, path_of(path, "method"), spec.method), method = "POST",
      headers = spec.headers and value_matches(route, path_of(path, "headers"), spec.headers, true) }
  end
  return {
    path = path_match(route, path_of(path, "path"), spec.path or { type = "PathPrefix", value = "/" }),
    method = spec.method,
    headers = spec.headers and value_matches(route, path_of(path, "headers"), spec.headers, true),
    query = spec.queryParams and value_matches(route, path_of(path, "queryParams"), spec.queryParams, false),
  }
end

local function matches_of(route, path, rule)
  local list = {}
  for i, spec in ipairs(rule.matches or {}) do list[i] = convert_match(route, path_of(path, "matches", i), spec) end
  if #list == 0 then list[1] = convert_match(route, path_of(path, "matches"), {}) end
  return list
end

-- A broken connection and a try that takes too long are worth another one, beside the codes.
local function retries_of(spec)
  if not spec then return nil end
  local on = { "connect-failure", "reset" }
  for _, code in ipairs(spec.codes or {}) do on[#on + 1] = tostring(code) end
  local base = spec.backoff
  return { attempts = spec.attempts, on = on, back_off = base, max_back_off = base and base * 10 }
end

local function limit(ms) return ms and ms > 0 and ms or nil end

local function check_timeouts(route, path, rule)
  local whole, try = limit(rule.timeouts.request), limit(rule.timeouts.backendRequest)
  if whole and try and try > whole then
    route:refuse(path_of(path, "timeouts", "backendRequest"), "is longer than request")
  end
end

-- What a place adds to each of its routes, which share it: with thousands of them, each table more is felt.
local function at_listener(place)
  return { prefix = "", hosts = place.hosts, listeners = place.group.listeners,
    section = #place.group.sections > 1 and place.section.host or nil }
end

local function in_mesh() return { prefix = "" } end

-- What the filters of a rule, or of a reference, come to.
local function uses_of(context, route, where, list, matched)
  return list and filters.uses(context, route, path_of(where, "filters"), list, matched) or {}
end

local NONE = {}

-- The settings of a use belong to one route (the model's check fills them), so each match gets all anew.
local function convert(context, route, i, match, at)
  local path, rule = { "spec", "rules", i }, route.spec.rules[i]
  local matched = { prefix = match.path and match.path.prefix }
  local uses, timeouts = uses_of(context, route, path, rule.filters, matched), rule.timeouts or NONE
  local guard = context.pods and context.authorization:guard(context.pods, context.origins)
  context.authorization.prepend(uses, guard)
  return {
    name = ("%s%s/%s/%s"):format(at.prefix, route.namespace, route.name, rule.name or i - 1), at = route:place(path),
    hosts = at.hosts, listeners = at.listeners, section = at.section,
    matches = { match }, policies = uses, retries = retries_of(rule.retry),
    backends = backend_refs.backends(context, route, path_of(path, "backendRefs"), rule.backendRefs, uses_of,
      matched),
    timeout = limit(timeouts.request), per_try_timeout = limit(timeouts.backendRequest),
  }
end

-- Whether a rule has one match, and that of type PathPrefix, which is what it has without any.
local function has_one_prefix(rule)
  local matches = rule.matches or {}
  return #matches == 0 or #matches == 1 and matches[1].path ~= nil and matches[1].path.type == "PathPrefix"
end

local function judge_rule(context, route, path, rule)
  if rule.timeouts then check_timeouts(route, path, rule) end
  local one_prefix = has_one_prefix(rule)
  local redirects = rule.filters and filters.judge(context, route, path_of(path, "filters"), rule.filters, one_prefix)
  if redirects and #(rule.backendRefs or {}) > 0 then
    route:refuse(path_of(path, "backendRefs"), "RequestRedirect stands without backendRefs")
  end
  for i, ref in ipairs(rule.backendRefs or {}) do
    local at = path_of(path, "backendRefs", i)
    backend_refs.check(context, route, at, ref)
    if ref.filters then filters.judge(context, route, path_of(at, "filters"), ref.filters, one_prefix) end
  end
end

--- Judges what does not depend on where the route is attached: filters, and what it refers to.
-- Sets route.unresolved and route.unsupported ({ reason, message }), which its status says.
function routes.judge(context, route)
  local matches = 0
  for i, rule in ipairs(route.spec.rules) do
    local path = { "spec", "rules", i }
    judge_rule(context, route, path, rule)
    -- Where it is attached this happens with each place that it gets.
    if #context.places[route] == 0 then matches_of(route, path, rule) end
    matches = matches + #(rule.matches or {})
  end
  if matches > MOST_MATCHES then
    route:refuse({ "spec", "rules" }, ("expected at most %d matches, got %d"):format(MOST_MATCHES, matches))
  end
end

local function add(context, route, list, make_place, place)
  for i, rule in ipairs(route.spec.rules) do
    for _, match in ipairs(matches_of(route, { "spec", "rules", i }, rule)) do
      list[#list + 1] = convert(context, route, i, match, make_place(place))
    end
  end
end

--- Adds the routes that a route object is at one section of a listener (see attach.lua) to `list`.
-- @param context { store, services_by_name, backends, authorization, origins, gateway, caller = its identity, pods =
-- the Gateway as a list of workloads }
function routes.add(context, route, place, list)
  add(context, route, list, at_listener, place)
end

--- Adds the routes that a route object is at the mesh listener of a service.
-- @param context as for add(), and mesh_service = the service, mesh_port = its port
function routes.add_in_mesh(context, route, list)
  add(context, route, list, in_mesh)
end

return routes
