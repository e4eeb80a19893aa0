--- Listeners and routes of the Gateway API's Gateways, those that are no waypoints.
-- A Gateway without spec.addresses is bound to every address. Several Gateways on one port need addresses of their own.
-- judge() decides, add() and mesh_routes() make of it what is served, status.lua says it: there is one judgement.
local age = require "moongate.config.manifests.gateway_api.age"
local attach = require "moongate.config.manifests.gateway_api.attach"
local gateways = require "moongate.config.manifests.gateway_api.gateways"
local listeners = require "moongate.config.manifests.gateway_api.listeners"
local no_route = require "moongate.config.manifests.no_route"
local order = require "moongate.model.order"
local routes = require "moongate.config.manifests.gateway_api.routes"
local workloads = require "moongate.config.manifests.workloads"

local gateway_api = {}

local GROUP = "gateway.networking.k8s.io/"
local GATEWAY = GROUP .. "Gateway"

--- The pods that a cluster would run for each Gateway, as workloads named like Istio's: policies select them, and
-- their service account is who calls the services.
-- @return map of Gateway to workload
function gateway_api.workloads(store)
  local map = {}
  for _, gateway in ipairs(store:all(GATEWAY)) do
    if gateways.is_served(store, gateway) then
      local name = gateway.name .. "-" .. gateway.spec.gatewayClassName
      local labels = { ["gateway.networking.k8s.io/gateway-name"] = gateway.name,
        ["istio.io/gateway-name"] = gateway.name }
      for label, value in pairs(gateway.labels) do labels[label] = value end
      map[gateway] = workloads.make(store, { name = name, namespace = gateway.namespace, labels = labels,
        account = name, object = gateway })
    end
  end
  return map
end

-- ---- the judgement ------------------------------------------------------------------------

local function all_routes(store)
  local http, grpc, list = store:all(GROUP .. "HTTPRoute"), store:all(GROUP .. "GRPCRoute"), {}
  for _, kind in ipairs { http, grpc } do
    for _, route in ipairs(kind) do list[#list + 1] = route end
  end
  return age.sorted(list), #http > 0 and #grpc > 0
end

local function settle_parents(route)
  for _, parent in ipairs(route.parents) do
    local bad, unresolved = route.unsupported, route.unresolved
    if parent.in_mesh then unresolved = route.unresolved_in_mesh end
    if bad then parent.conditions:fail("Accepted", bad.reason, bad.message) end
    if unresolved then parent.conditions:fail("ResolvedRefs", unresolved.reason, unresolved.message) end
  end
end

local function note(map, port, route)
  map[port] = map[port] or {}
  table.insert(map[port], route)
end

local function note_in_mesh(context, route)
  for _, place in ipairs(route.unsupported and {} or context.places[route]) do
    if place.service then
      local own = route.namespace == place.service.object.namespace
      note(own and context.in_mesh or context.consumers, place.port, route)
    end
  end
end

--- Judges classes, Gateways, ListenerSets and routes: they get the fields that status.lua reads.
-- Sets context.groups, context.routes (the older first), context.places (by route, see attach.lua), and by port of
-- a service context.in_mesh (routes of its own namespace) and context.consumers (of others).
-- @param context { store, services, services_by_name, gateway_workloads, backend_tls }
function gateway_api.judge(context)
  for _, class in ipairs(context.store:all(GROUP .. "GatewayClass")) do gateways.judge_class(context.store, class) end
  for _, gateway in ipairs(context.store:all(GATEWAY)) do gateways.judge_waypoint(gateway) end
  context.groups, context.places, context.verdicts = listeners.groups(context), {}, {}
  context.in_mesh, context.consumers = {}, {}
  context.routes, context.mixed_routes = all_routes(context.store)
  for _, route in ipairs(context.routes) do
    context.places[route] = attach.places(context, route)
    routes.judge(context, route)
    settle_parents(route)
    note_in_mesh(context, route)
  end
end

--- Looks for the status which Gateways have addresses that are not this machine's.
function gateway_api.try_addresses(context, is_here)
  for _, gateway in ipairs(context.store:all(GATEWAY)) do gateways.try_addresses(gateway, is_here) end
end

-- ---- what is served -----------------------------------------------------------------------

-- What routes.add() needs to know of the Gateway beside what is the same for all.
local function context_for(context, gateway)
  local workload = context.gateway_workloads[gateway]
  local client = context.backends:client(workload)
  return setmetatable({ pods = { workload }, gateway = gateway, client_pair = gateway.client_pair,
    client = client, caller = client.identity }, { __index = context })
end

local function hosts_of(group)
  local hosts = {}
  for i, section in ipairs(group.sections) do hosts[i] = section.host end
  return hosts
end

local function tls_of(group)
  local client = group.client
  return { certs = { unpack(group.certs) }, tickets = true, client_ca = client and client.ca,
    client_auth = client and client.auth }
end

-- @return the hosts that are told apart, or nil; where policies guard the Gateway they are asked about every host
local function sections_of(group, guard)
  if #group.sections < 2 then return nil end
  local hosts, all = hosts_of(group), false
  for _, host in ipairs(hosts) do all = all or host == "*" end
  if guard and not all then hosts[#hosts + 1] = "*" end
  return hosts
end

local function add_listeners(context, group)
  local sections = sections_of(group, context.authorization:guard(context.pods, context.origins))
  local first, workload = group.sections[1], context.gateway_workloads[group.gateway]
  for i, name in ipairs(group.listeners) do
    context.proxies[name] = { namespace = group.gateway.namespace, labels = workload and workload.labels or {},
      gateway = group.gateway.name, mode = "CLIENT" }
    for _, section in ipairs(group.sections) do section.object:attach("listener " .. name) end
    table.insert(context.draft.listeners, { name = name, address = group.addresses[i], port = group.port,
      at = first.object:place(first.path), sections = sections, tls = group.https and tls_of(group) or nil,
      trusted_hops = context.store.mesh.trusted_proxies, client_cert_header = context.store.mesh.client_cert_header })
  end
end

-- HTTPS: the name in the handshake and the host of the request must belong to one section.
local function add_misdirected(context)
  local map, at
  for _, group in ipairs(context.groups) do
    local first = group.sections[1]
    local told_apart = group.served and group.https and (#group.sections > 1 or first.host ~= "*")
    for _, name in ipairs(told_apart and group.listeners or {}) do
      map, at = map or {}, at or first.object:place(first.path)
      map[name] = hosts_of(group)
    end
  end
  if map then table.insert(context.draft.policies, { name = "misdirected", conf = { listeners = map }, at = at }) end
end

local function add_no_route(context, group)
  local guard = context.authorization:guard(context.pods, context.origins)
  if not guard or #group.listeners == 0 then return end
  local route = no_route(guard, group.sections[1].object:place(group.sections[1].path))
  route.name, route.listeners = group.listeners[1] .. " " .. route.name, { unpack(group.listeners) }
  table.insert(context.draft.routes, route)
end

--- Adds listeners, routes and services of the Gateways to the draft.
-- @param context as for mesh.add(), after judge()
function gateway_api.add(context)
  local contexts, list = {}, {}
  for _, group in ipairs(context.groups) do
    contexts[group.gateway] = contexts[group.gateway] or context_for(context, group.gateway)
    add_listeners(contexts[group.gateway], group)
  end
  add_misdirected(context)
  for _, route in ipairs(context.routes) do
    for _, place in ipairs(context.places[route]) do
      local gateway = place.group and place.group.gateway
      if gateway and place.section.served and not route.unsupported then
        for _, name in ipairs(place.group.listeners) do route:attach("listener " .. name) end
        routes.add(contexts[gateway], route, place, list)
      end
    end
  end
  for _, route in ipairs(order.rank(list, true)) do table.insert(context.draft.routes, route) end
  for _, group in ipairs(context.groups) do add_no_route(contexts[group.gateway], group) end
end

local function made_in_mesh(context, service, port, attached, where)
  local list, own = {}, setmetatable({ mesh_service = service, mesh_port = port }, { __index = context })
  for _, route in ipairs(attached) do
    route:attach(where)
    routes.add_in_mesh(own, route, list)
  end
  return order.rank(list, true)
end

--- The routes that take calls to a port of a service, in the order in which they are tried; nil: none attaches there.
-- @param context as for mesh.add(), after judge()
function gateway_api.mesh_routes(context, service, port)
  local attached = context.in_mesh[port]
  return attached and made_in_mesh(context, service, port, attached,
    ("service %s:%d"):format(service.fqdn, port.number))
end

--- The routes of other namespaces, each of which takes what its own namespace's workloads send to the port.
-- @param knows_callers whether callers show certificates there
-- @return array of { namespace, routes = as of mesh_routes() }
function gateway_api.consumer_routes(context, service, port, knows_callers)
  local list, by_namespace = {}, {}
  for _, route in ipairs(context.consumers[port] or {}) do
    local own = by_namespace[route.namespace]
    if not own then
      own = { namespace = route.namespace }
      by_namespace[route.namespace], list[#list + 1] = own, own
    end
    table.insert(own, route)
    if not knows_callers then
      route:warn({ "spec", "parentRefs" }, ("%s:%d speaks clear text, which does not tell who calls, so these routes "
        .. "take nothing there"):format(service.fqdn, port.number))
    end
  end
  for _, own in ipairs(list) do
    own.routes = made_in_mesh(context, service, port, own,
      ("service %s:%d for callers of the namespace %s"):format(service.fqdn, port.number, own.namespace))
  end
  return list
end

return gateway_api
