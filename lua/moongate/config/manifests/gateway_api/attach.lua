--- attach: which sections of which groups a route attaches to, and with which hosts.
-- Rules: ParentReference, AllowedRoutes and HTTPRoute.spec.hostnames of the Gateway API.
local address = require "moongate.model.address"
local conditions = require "moongate.config.manifests.gateway_api.conditions"
local labels = require "moongate.config.manifests.gateway_api.labels"
local names = require "moongate.config.manifests.names"

local attach = {}

local GROUP = "gateway.networking.k8s.io"
local CONDITIONS = { "Accepted", "ResolvedRefs" } -- of a route, by parent
-- Kinds of parent, with their groups; the latter two are a mesh's.
local GROUPS = { Gateway = GROUP, ListenerSet = GROUP, Service = "", ServiceEntry = "networking.istio.io" }

local function hosts_of(route)
  local list = {}
  for i, text in ipairs(route.spec.hostnames or {}) do
    local host, why = address.host_pattern(text)
    if not host or host == "*" or address.is_ip(host) then
      route:refuse({ "spec", "hostnames", i }, ("bad host %q; %s"):format(text, why or "expected a name"))
    else
      list[#list + 1] = host
    end
  end
  return #list > 0 and list or { "*" }
end

-- Hosts that a section and a route have in common, each once.
local function common_hosts(section, hosts)
  local list, seen = {}, {}
  for _, host in ipairs(hosts) do
    local common = names.host_intersection(section.host, host)
    if common and not seen[common] then
      seen[common] = true
      list[#list + 1] = common
    end
  end
  return list
end

-- ---- Gateways and ListenerSets ------------------------------------------------------------

local OTHER = { HTTPRoute = "GRPCRoute", GRPCRoute = "HTTPRoute" }

local function shares_with(list, host)
  for _, other in ipairs(list) do
    if names.host_intersection(host, other) then return true end
  end
  return false
end

-- GRPCRoutes and HTTPRoutes of the same hosts stand in each other's way; the older stays (GRPCRoute.spec.hostnames).
local function is_taken(section, route, hosts)
  local taken = section.taken[OTHER[route.kind]]
  for _, host in ipairs(taken and hosts or {}) do
    local is_pattern = host:sub(1, 1) == "*"
    if taken.exact[host] or shares_with(taken.patterns, host) or is_pattern and shares_with(taken.hosts, host) then
      return true
    end
  end
  return false
end

local function note_route(section, route, hosts)
  section.attached = section.attached + 1
  local taken = section.taken[route.kind] or { exact = {}, hosts = {}, patterns = {} }
  section.taken[route.kind] = taken
  for _, host in ipairs(hosts) do
    table.insert(host:sub(1, 1) == "*" and taken.patterns or taken.hosts, host)
    taken.exact[host] = true
  end
end

-- How far a section comes: 1 another one, 2 named and on the port, 3 lets the route in, 4 shares a host, 5 takes it.
local function try_section(context, route, section, ref, hosts)
  if ref.sectionName and ref.sectionName ~= section.name or ref.port and ref.port ~= section.port then return 1 end
  local rule = section.spec.allowedRoutes.namespaces
  if not section.kinds[route.kind] or not labels.allow(context.store, rule, section.object.namespace, route.namespace)
  then return 2 end
  local common = common_hosts(section, hosts)
  if #common == 0 then return 3 end
  if context.mixed_routes and is_taken(section, route, common) then return 4 end
  return 5, common
end

local REASONS = {
  { "NoMatchingParent", "has no listener of that name and port" },
  { "NotAllowedByListeners",
    "has no such listener that allows this kind of route from this namespace (allowedRoutes)" },
  { "NoMatchingListenerHostname", "has no such listener for any of its hostnames" },
  { "NotAllowedByListeners", "serves an older route of another kind for these hostnames" },
}

local function reject(route, i, verdict, reason, message)
  verdict:fail("Accepted", reason, message)
  route:warn({ "spec", "parentRefs", i }, message .. "; not accepted there")
end

local function attach_to_sections(context, route, i, parent, hosts, found)
  local ref, best, verdict = route.spec.parentRefs[i], 1, route.parents[i].conditions
  for _, section in ipairs(parent.sections or {}) do
    local how_far, common = try_section(context, route, section, ref, hosts)
    best = math.max(best, how_far)
    if common and not found[section] then
      found[section] = true
      note_route(section, route, common)
      table.insert(found, { group = section.group, section = section, hosts = common })
    end
  end
  if best == 5 then return end
  local reason = REASONS[best]
  reject(route, i, verdict, reason[1], ("%s %s/%s %s"):format(parent.kind, parent.namespace, parent.name, reason[2]))
end

-- ---- services -----------------------------------------------------------------------------

local function service_of(context, ref, namespace)
  for _, service in ipairs(context.services) do
    local object = service.object
    if object.kind == ref.kind and object.name == ref.name and object.namespace == namespace then return service end
  end
end

-- Of a Service, sectionName is the name of a port (ParentReference).
local function names_port(ref, port)
  return (not ref.sectionName or ref.sectionName == port.name) and (not ref.port or ref.port == port.number)
end

-- In a mesh, the routes of a service's own namespace take all that is sent to it, whatever the Host header says; those
-- of another one what comes from there (GEP-1294: producers' and consumers' routes).
local function attach_to_service(context, route, i, ref, namespace, found)
  local verdict, service = route.parents[i].conditions, service_of(context, ref, namespace)
  if not service then
    return reject(route, i, verdict, "NoMatchingParent", ("there is no %s %s in the namespace %s that speaks HTTP")
      :format(ref.kind, ref.name, namespace))
  end
  local some = false
  for _, port in ipairs(service.ports) do
    if names_port(ref, port) then
      some = true
      if service.address and not found[port] then
        found[port] = true
        table.insert(found, { service = service, port = port })
      end
    end
  end
  if not some then
    reject(route, i, verdict, "NoMatchingParent", ("%s has no port %s that speaks HTTP"):format(service.fqdn,
      table.concat({ ref.sectionName or ref.port or "at all", ref.sectionName and ref.port }, " ")))
  elseif not service.address then
    route:warn({ "spec", "parentRefs", i }, service.fqdn .. " has no clusterIP, so no call to it passes here")
  end
end

-- ---- the whole ----------------------------------------------------------------------------

local function attach_ref(context, route, i, hosts, found)
  local ref = route.spec.parentRefs[i]
  local namespace = ref.namespace or route.namespace
  local verdict = conditions.new(CONDITIONS)
  route.parents[i] = { ref = ref, namespace = namespace, conditions = verdict,
    in_mesh = GROUPS[ref.kind] ~= GROUP }
  if GROUPS[ref.kind] ~= (ref.group == "core" and "" or ref.group) then
    verdict:fail("Accepted", "NoMatchingParent", ("%s (%s) is nothing that a route attaches to"):format(ref.kind,
      ref.group))
    return route:refuse({ "spec", "parentRefs", i, "kind" }, ("%s of group %q is nothing that a route attaches to; "
      .. "Gateway, ListenerSet and Service are"):format(ref.kind, ref.group))
  end
  if GROUPS[ref.kind] ~= GROUP then return attach_to_service(context, route, i, ref, namespace, found) end
  local parent = context.store:get(GROUP .. "/" .. ref.kind, namespace, ref.name)
  if parent then return attach_to_sections(context, route, i, parent, hosts, found) end
  reject(route, i, verdict, "NoMatchingParent", ("there is no %s %s in the namespace %s"):format(ref.kind, ref.name,
    namespace))
end

--- Attaches a route where its parents take it; sets route.parents: array of { ref, namespace, conditions, in_mesh }.
-- @param context { store, services, mixed_routes = whether there are routes of several kinds }
-- @return array of { group =, section =, hosts = array of patterns } and, in a mesh, { service =, port = }; why it is
-- shorter than the route's author may think is said in warnings
function attach.places(context, route)
  local hosts, found = hosts_of(route), {}
  route.parents = {}
  for i in ipairs(route.spec.parentRefs) do attach_ref(context, route, i, hosts, found) end
  if #route.spec.parentRefs == 0 then route:warn({ "spec" }, "has no parentRefs, so it serves nothing") end
  return found
end

return attach
