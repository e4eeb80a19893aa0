--- A listener and routes for every Service: where the mesh takes calls to it, guards them, and sends them on.
local binding = require "moongate.config.manifests.virtual_services.binding"
local gateway_api = require "moongate.config.manifests.gateway_api"
local names = require "moongate.config.manifests.names"
local no_route = require "moongate.config.manifests.no_route"
local services = require "moongate.config.manifests.services"
local subset_hops = require "moongate.config.manifests.subset_hops"
local telemetry = require "moongate.config.manifests.telemetry"
local virtual_services = require "moongate.config.manifests.virtual_services"

local mesh = {}

local VIRTUAL_SERVICE = "networking.istio.io/VirtualService"

-- Whether an object stands in the namespace of a service or of its waypoint.
local function is_near(object, service)
  return object.namespace == service.object.namespace
    or service.waypoint ~= nil and object.namespace == service.waypoint.namespace
end

--- Whether a VirtualService speaks for a service; the waypoint must see it.
local function speaks_for(object, service)
  return is_near(object, service) and binding.is_for_mesh(object)
    and binding.is_visible(object, service.waypoint.namespace) and binding.has_host(object, service)
end

local function tls_of(identity, strict)
  if not identity then return nil end
  return { certs = { { cert = identity.cert, key = identity.key, name = identity.at } }, client_ca = identity.root,
    client_auth = strict and "require" or "request", permissive = not strict }
end

-- What clients call the service by: they look it up, and come to its address.
local function names_of(service)
  local object = service.object
  local short = object.name .. "." .. object.namespace
  return { service.fqdn, short .. ".svc", short, object.namespace == "default" and object.name or nil }
end

local function listener_of(context, service, port)
  local identity = context.backends:identity_of(service, port)
  local mode, by = context.peers:mode(service, port)
  if by then by:attach(("listener mesh %s:%d"):format(service.fqdn, port.number)) end
  if mode == "STRICT" and not identity then
    return by:warn({ "spec" }, ("is STRICT, and there is no Secret istio.%s in the namespace %s for %s:%d to speak TLS "
      .. "with; not served"):format(service.account or "ACCOUNT", service.object.namespace, service.fqdn, port.number))
  end
  return {
    name = ("mesh %s:%d"):format(service.fqdn, port.number),
    address = services.join_address(service.address, port.number), port = port.number, names = names_of(service),
    at = service.object:place { "spec", "ports", port.index },
    tls = tls_of(identity, mode == "STRICT"),
    -- An inner hop: the one before has said who the client is and given the request its id.
    append_forwarded_for = false, trust_request_id = true, trusted_hops = 1,
  }, identity
end

local function default_route(context, service, port)
  local at = service.object:place { "spec", "ports", port.index }
  return { name = "default", at = at, policies = {}, retries = virtual_services.default_retries(),
    backends = { { service = context.backends:direct(service, port), weight = 1, at = at } } }
end

-- Routes of the Gateway API go before VirtualServices, as at Istio's waypoints.
local function routes_of(context, service, port, identity)
  local own = gateway_api.mesh_routes(context, service, port)
  if own then return own end
  local list = {}
  for _, object in ipairs(service.waypoint and context.store:all(VIRTUAL_SERVICE) or {}) do
    if speaks_for(object, service) then
      local from = { port = port.number, gateway = "mesh", service = service, identity = identity,
        backends = context.backends }
      object:attach(("service %s:%d"):format(service.fqdn, port.number))
      virtual_services.add(list, object, virtual_services.routes(context, object, from))
    end
  end
  if #list == 0 then list[1] = default_route(context, service, port) end
  return list
end

-- What a namespace's own routes for a service do not take, nobody else's do (GEP-1294).
local function add_consumers(context, service, port, listener, list)
  for _, own in ipairs(gateway_api.consumer_routes(context, service, port, listener.tls ~= nil)) do
    own.routes[#own.routes + 1] = no_route(nil, listener.at)
    local regex = ("spiffe://[^/]+/ns/%s/.*"):format(own.namespace)
    for _, route in ipairs(own.routes) do
      route.matches = route.matches or { {} }
      for _, match in ipairs(route.matches) do match.principal = { regex = regex } end
      list[#list + 1] = route
    end
  end
end

--- The model's check gives every use settings of its own.
local function use_again(use)
  return { name = use.name, conf = use.conf, at = use.at }
end

local function guard_again(guard)
  local list = {}
  for i, use in ipairs(guard or {}) do list[i] = use_again(use) end
  return list
end

local function add_port(context, service, port)
  local listener, identity = listener_of(context, service, port)
  if not listener then return end
  service.object:attach("listener " .. listener.name)
  if service.waypoint then service.waypoint.object:attach("service " .. service.fqdn) end
  table.insert(context.draft.listeners, listener)
  context.mesh_listeners[listener.name] = { service = service, port = port, identity = identity }
  local routes = subset_hops.routes(context.backends.hops, service, port, function(subset)
    if not context.backends.rules:of(service).subsets[subset] then return nil end
    return context.backends:direct(service, port, nil, subset)
  end, virtual_services.default_retries)
  add_consumers(context, service, port, listener, routes)
  for _, route in ipairs(routes_of(context, service, port, identity)) do routes[#routes + 1] = route end
  local guard = context.authorization:guard_service(service, port, context.origins, port.number)
  local count = telemetry.use(context, service)
  if (count or guard) and not virtual_services.takes_all(routes[#routes]) then
    routes[#routes + 1] = no_route(nil, listener.at) -- which is guarded, and counted, as all of them
  end
  for _, route in ipairs(routes) do
    route.listeners = { listener.name }
    route.name = listener.name .. " " .. route.name
    context.authorization.prepend(route.policies, guard_again(guard))
    if count then table.insert(route.policies, 1, use_again(count)) end
    table.insert(context.draft.routes, route)
  end
end

--- Names what a VirtualService for the mesh does not do.
local function warn_without_effect(context)
  for _, object in ipairs(context.store:all(VIRTUAL_SERVICE)) do
    for i, host in ipairs(binding.is_for_mesh(object) and object.spec.hosts or {}) do
      local pattern, found, served = names.expand(host, object.namespace), false, false
      for _, service in ipairs(context.services) do
        if names.host_matches(pattern, service.fqdn) and is_near(object, service) then
          found, served = true, served or service.waypoint ~= nil
        end
      end
      if not found then
        object:warn({ "spec", "hosts", i }, ("%s is no Service of this namespace, so these routes take nothing in the "
          .. "mesh"):format(pattern))
      elseif not served then
        object:warn({ "spec", "hosts", i }, ("no waypoint serves %s, so these routes are not used"):format(pattern))
      end
    end
  end
end

--- Adds listeners, routes and services of the mesh to the draft.
-- @param context { store, services, backends, authorization, origins, draft, mesh_listeners }
function mesh.add(context)
  for _, service in ipairs(context.services) do
    if service.address then
      for _, port in ipairs(service.ports) do add_port(context, service, port) end
    end
  end
  warn_without_effect(context)
end

return mesh
