--- Turns the HTTP routes of a VirtualService into routes of the model, for one listener.
-- Rules: VirtualService and HTTPRoute (networking.istio.io).
local actions = require "moongate.config.manifests.virtual_services.actions"
local binding = require "moongate.config.manifests.virtual_services.binding"
local changes = require "moongate.config.manifests.virtual_services.changes"
local delegates = require "moongate.config.manifests.virtual_services.delegates"
local match = require "moongate.config.manifests.virtual_services.match"
local path_to = require "moongate.config.manifests.path"
local retries = require "moongate.config.manifests.virtual_services.retries"

local virtual_services = {}

local KIND = "networking.istio.io/VirtualService"

virtual_services.is_catch_all = match.is_catch_all

--- The retries of a route that nobody wrote.
virtual_services.default_retries = retries.default

--- Whether a route takes every request that reaches it.
function virtual_services.takes_all(route)
  for _, made in ipairs(route.matches or { {} }) do
    if match.is_catch_all(made) then return true end
  end
  return false
end

-- ---- one route ----------------------------------------------------------------------------

-- Exactly one of route, redirect and directResponse, and what cannot stand beside it.
local function check_kind(object, path, http)
  local sends = #(http.route or {}) > 0
  local count = (sends and 1 or 0) + (http.redirect and 1 or 0) + (http.directResponse and 1 or 0)
  if count == 0 then object:refuse(path, "expected route with at least one destination, redirect or directResponse") end
  if count > 1 then object:refuse(path, "expected one of route, redirect and directResponse, found several") end
  local answers = http.redirect and "redirect" or http.directResponse and "directResponse"
  for _, field in ipairs(answers and { "rewrite", "fault" } or {}) do
    if http[field] then object:refuse(path_to(path, field), "cannot stand beside " .. answers) end
  end
  return count == 1
end

local function append(list, uses)
  for _, use in ipairs(uses) do list[#list + 1] = use end
end

-- Backends of a route. One destination takes all whatever its weight; of several, those with 0 get nothing.
local function backends_of(object, path, http, from, own_uses)
  local list, several, sum = {}, #http.route > 1, 0
  if not several and http.route[1].weight % 100 ~= 0 then
    object:warn(path_to(path, "route", 1, "weight"), "has no effect: a single destination takes every request")
  end
  for i, entry in ipairs(http.route) do
    local at = path_to(path, "route", i, "destination")
    local service, subset, guard = from.backends:resolve(object, at, entry.destination, from)
    sum = sum + entry.weight
    if service and (entry.weight > 0 or not several) then
      local uses = { unpack(guard or {}) }
      append(uses, own_uses and own_uses[i] or {})
      list[#list + 1] = { service = service, subset = subset, weight = several and entry.weight or 1,
        at = object:place(at), policies = #uses > 0 and uses or nil }
    end
  end
  if several and sum == 0 then
    object:refuse(path_to(path, "route"), "the weights add up to 0; expected at least one above 0")
  end
  return list
end

-- The authority that a destination's headers name counts where the route names none.
local function destination_rewrites(object, path, http, route_authority, own)
  for i, entry in ipairs(http.route) do
    local authority = not route_authority and changes.authority(entry.headers)
    if authority then
      local at = path_to(path, "route", i, "headers")
      table.insert(own[i], actions.rewrite(object, at, nil, {}, authority))
    end
  end
end

-- Uses of a route that sends requests on, and its backends.
local function sending(object, path, http, from, made, uses)
  changes.check_authority(object, path, http)
  local authority, own = changes.authority(http.headers), nil
  if #http.route == 1 then
    append(uses, changes.single(object, path, http.headers, http.route[1].headers))
    authority = authority or changes.authority(http.route[1].headers)
  else
    local of_route
    of_route, own = changes.several(object, path, http.headers, http.route)
    append(uses, of_route)
    local fixed = authority or http.rewrite and http.rewrite.authority
    destination_rewrites(object, path, http, fixed, own)
  end
  local rewrite = (http.rewrite or authority)
    and actions.rewrite(object, path_to(path, http.rewrite and "rewrite" or "headers"), http.rewrite, made, authority)
  append(uses, { rewrite or nil })
  append(uses, actions.mirrors(object, path, http, from))
  return backends_of(object, path, http, from, own)
end

-- What stands before the route's action runs in Envoy's order: fault, then CORS, then what changes headers.
local function uses_before(object, path, http)
  local uses = {}
  append(uses, { http.fault and actions.fault(object, path_to(path, "fault"), http.fault) or nil })
  append(uses, { http.corsPolicy and actions.cors(object, path_to(path, "corsPolicy"), http.corsPolicy) or nil })
  return uses
end

-- The draft of a route for matches that need the same of it; `made` is one of them.
local function convert(entry, name, matches, made, from)
  local object, path, http = entry.object, entry.path, entry.http
  local uses, backends = uses_before(object, path, http), {}
  if #(http.route or {}) > 0 then
    backends = sending(object, path, http, from, made, uses)
  else
    append(uses, changes.single(object, path, http.headers))
    append(uses, { http.redirect and actions.redirect(object, path_to(path, "redirect"), http.redirect, made, from)
      or actions.direct_response(object, path_to(path, "directResponse"), http.directResponse) })
  end
  local tried, per_try = retries.convert(object, path_to(path, "retries"), http.retries)
  return { name = name, at = object:place(path), matches = matches, policies = uses, backends = backends,
    timeout = http.timeout and http.timeout > 0 and http.timeout or nil, per_try_timeout = per_try,
    retries = #backends > 0 and tried or nil }
end

-- ---- all routes ---------------------------------------------------------------------------

-- Whether what becomes of a request depends on the part of its path that the match takes.
local function depends_on_match(http)
  local redirect = http.redirect
  return http.rewrite and (http.rewrite.uri or "") ~= ""
    or redirect and (redirect.prefixRewrite or (redirect.uri or ""):sub(1, 1) == "%") or false
end

-- The matches that count here, in groups that make one route each: { name =, matches = array or nil, first = match }.
local function groups_of(entry, from)
  local object, path, http = entry.object, entry.path, entry.http
  if #(http.match or {}) == 0 then return { { first = {} } } end
  local groups, apart = {}, depends_on_match(http)
  for i, spec in ipairs(http.match) do
    local at = path_to(path, "match", i)
    local made = match.counts(object, at, spec, from) and match.convert(object, at, spec)
    if made and match.is_possible(object, at, made, from) then
      local last = groups[#groups]
      if not last or apart or last.name ~= spec.name then
        last = { name = spec.name, matches = {}, first = made }
        groups[#groups + 1] = last
      end
      table.insert(last.matches, made)
      if match.is_catch_all(made) then break end
    end
  end
  return groups
end

local function name_of(entry, group)
  local name = entry.http.name or entry.path[#entry.path] - 1
  return ("%s/%s/%s%s"):format(entry.object.namespace, entry.object.name, name,
    group.name and "." .. group.name or "")
end

--- Routes of one VirtualService at one listener, in the order written.
-- @param context { store, looked_at = set of VirtualServices, added to }
-- @param from { port, gateway = "mesh" or nil, gateways = set of "ns/name" or nil, labels and namespace of the
-- gateway's pods, tls = whether the listener ends TLS for clients, service, identity, backends }
-- @return array of draft routes (without hosts and listeners); what cannot be reached is left out with a warning
function virtual_services.routes(context, object, from)
  local list, entries, done = {}, delegates.routes(context, object), false
  for i, entry in ipairs(entries) do
    context.looked_at[entry.object] = true
    local usable = check_kind(entry.object, entry.path, entry.http)
    for _, group in ipairs(usable and groups_of(entry, from) or {}) do
      local route = convert(entry, name_of(entry, group), group.matches, group.first, from)
      list[#list + 1] = route
      done = done or virtual_services.takes_all(route)
    end
    if done then
      local next_entry = entries[i + 1]
      if next_entry then
        next_entry.object:warn(next_entry.path, "is never reached: the route before it takes every request")
      end
      break
    end
  end
  return list
end

--- Adds routes of a VirtualService behind those of others that speak for the same requests; it is warned of what the
-- others leave nothing to.
-- @param list array of draft routes, added to
function virtual_services.add(list, object, routes)
  if #list > 0 and virtual_services.takes_all(list[#list]) then
    return object:warn({ "spec", "hosts" }, ("is never asked: the route %s, before it, takes every request")
      :format(list[#list].name))
  end
  for _, route in ipairs(routes) do list[#list + 1] = route end
end

--- Notes who takes everything that is asked of these hosts at a gateway; who does so behind another is warned.
-- @param taken map of host to VirtualService, added to
function virtual_services.note_catch_all(object, hosts, taken)
  for _, host in ipairs(hosts) do
    local first = taken[host] or object
    if first ~= object then
      object:warn({ "spec", "hosts" }, ("its route for every request is never asked at %s: that of %s/%s is before it")
        :format(host, first.namespace, first.name))
    end
    taken[host] = first
  end
end

-- In place of the services: what is nowhere used need not be there.
local UNUSED = { port = 80, anywhere = true, backends = { resolve = function() return nil end } }

--- Refuses what no VirtualService may say, also in those that are used nowhere; to be called after all are used.
function virtual_services.check(context)
  local delegated = {}
  for _, object in ipairs(context.store:all(KIND)) do
    binding.check(object)
    if binding.is_delegate(object) then
      delegated[#delegated + 1] = object
    elseif not context.looked_at[object] then
      virtual_services.routes(context, object, UNUSED)
    end
  end
  for _, object in ipairs(delegated) do
    if not context.looked_at[object] then
      virtual_services.routes(context, object, UNUSED)
      object:warn({ "spec" }, "has no hosts, and no VirtualService delegates to it: it takes nothing")
    end
  end
end

return virtual_services
