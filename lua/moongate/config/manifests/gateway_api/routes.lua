--- routes: turns the rules of an HTTPRoute into routes of the model, one for each match, at one section of a listener.
local backend_refs = require "moongate.config.manifests.gateway_api.backend_refs"
local filters = require "moongate.config.manifests.gateway_api.filters"
local path_of = require "moongate.config.manifests.path"

local routes = {}

local FORBIDDEN = { "//", "/./", "/../", "%2f", "%2F", "#" } -- HTTPPathMatch, for Exact and PathPrefix

local function path_match(route, path, spec)
  local value = spec.value
  if spec.type == "RegularExpression" then
    return route:refuse(path_of(path, "type"), spec.type .. " is not supported yet")
  end
  local bad = value:sub(1, 1) ~= "/" or value:find("/%.%.?$") or value:find("[?%s%c]")
  for _, text in ipairs(FORBIDDEN) do bad = bad or value:find(text, 1, true) end
  if bad then
    return route:refuse(path_of(path, "value"),
      ("expected a path that starts with '/', without '//', '/./', '/../', '%%2f', '#', got %q"):format(value))
  end
  if spec.type == "Exact" then return { exact = value } end
  local prefix = value:gsub("/+$", "")
  return { prefix = prefix ~= "" and prefix or "/" }
end

-- Of several entries with one name the first counts.
local function value_matches(route, path, list, any_case)
  local values, seen = {}, {}
  for i, entry in ipairs(list or {}) do
    local name = any_case and entry.name:lower() or entry.name
    if entry.type == "RegularExpression" then
      route:refuse(path_of(path, i, "type"), entry.type .. " is not supported yet")
    elseif not seen[name] then
      values[#values + 1] = { name = name, exact = entry.value }
    end
    seen[name] = true
  end
  return values
end

local function convert_match(route, path, spec)
  return {
    path = path_match(route, path_of(path, "path"), spec.path or { type = "PathPrefix", value = "/" }),
    method = spec.method,
    headers = value_matches(route, path_of(path, "headers"), spec.headers, true),
    query = value_matches(route, path_of(path, "queryParams"), spec.queryParams, false),
  }
end

local function matches_of(route, path, rule)
  local list = {}
  for i, spec in ipairs(rule.matches or {}) do list[i] = convert_match(route, path_of(path, "matches", i), spec) end
  return #list > 0 and list or { { path = { prefix = "/" }, headers = {}, query = {} } }
end

-- A broken connection and a try that takes too long are worth another one, beside the codes.
local function retries_of(spec)
  if not spec then return nil end
  local on, seen = { "connect-failure", "reset" }, {}
  for _, code in ipairs(spec.codes or {}) do
    if not seen[code] then on[#on + 1] = tostring(code) end
    seen[code] = true
  end
  local base = spec.backoff
  return { attempts = spec.attempts, on = on, back_off = base, max_back_off = base and base * 10 }
end

local function limit(ms) return ms and ms > 0 and ms or nil end

local function check_rule(route, path, rule, redirects)
  local whole, try = limit(rule.timeouts.request), limit(rule.timeouts.backendRequest)
  if whole and try and try > whole then
    route:refuse(path_of(path, "timeouts", "backendRequest"), "is longer than request")
  end
  if redirects and #(rule.backendRefs or {}) > 0 then
    route:refuse(path_of(path, "backendRefs"), "RequestRedirect stands without backendRefs")
  end
end

-- The settings of a use belong to one route (the model's check fills them), so each match gets all anew.
local function convert(context, route, i, match, place)
  local path, rule = { "spec", "rules", i }, route.spec.rules[i]
  local matched = { prefix = match.path and match.path.prefix }
  local function uses_of(at, list) return (filters.uses(context, route, at, list, matched)) end
  local uses, redirects = filters.uses(context, route, path_of(path, "filters"), rule.filters, matched)
  local guard = context.authorization:guard(context.pods, context.origins)
  if guard then table.insert(uses, 1, guard) end
  check_rule(route, path, rule, redirects)
  return {
    name = ("%s/%s/%s"):format(route.namespace, route.name, rule.name or i - 1), at = route:place(path),
    hosts = { unpack(place.hosts) }, listeners = { unpack(place.group.listeners) },
    section = #place.group.sections > 1 and place.section.host or nil,
    matches = { match }, policies = uses, retries = retries_of(rule.retry),
    backends = backend_refs.backends(context, route, path_of(path, "backendRefs"), rule.backendRefs, uses_of),
    timeout = limit(rule.timeouts.request), per_try_timeout = limit(rule.timeouts.backendRequest),
  }
end

--- Adds the routes that a route object is at one place (see attach.lua) to `list`.
-- @param context { store, services_by_name, backends, authorization, origins, caller = identity of the Gateway, pods =
-- the Gateway as a list of workloads }
function routes.add(context, route, place, list)
  for i, rule in ipairs(route.spec.rules) do
    for _, match in ipairs(matches_of(route, { "spec", "rules", i }, rule)) do
      list[#list + 1] = convert(context, route, i, match, place)
    end
  end
end

return routes
