--- Listeners and routes of the Gateway API's Gateways, those that are no waypoints.
-- A Gateway without spec.addresses is bound to every address. Several Gateways on one port need addresses of their own.
local attach = require "moongate.config.manifests.gateway_api.attach"
local listeners = require "moongate.config.manifests.gateway_api.listeners"
local order = require "moongate.model.order"
local routes = require "moongate.config.manifests.gateway_api.routes"
local workloads = require "moongate.config.manifests.workloads"

local gateway_api = {}

local GATEWAY = "gateway.networking.k8s.io/Gateway"
local HTTP_ROUTE = "gateway.networking.k8s.io/HTTPRoute"

--- The pods that a cluster would run for each Gateway, as workloads named like Istio's: policies select them, and
-- their service account is who calls the services.
-- @return map of Gateway to workload
function gateway_api.workloads(store)
  local map = {}
  for _, gateway in ipairs(store:all(GATEWAY)) do
    if listeners.is_served(store, gateway) then
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

-- What routes.add() needs to know of the Gateway beside what is the same for all.
local function context_for(context, gateway)
  local workload = context.gateway_workloads[gateway]
  return setmetatable({ pods = { workload },
    caller = workloads.identity(context.store, workload.namespace, workload.account) }, { __index = context })
end

local function hosts_of(group)
  local hosts = {}
  for i, section in ipairs(group.sections) do hosts[i] = section.host end
  return hosts
end

local function add_listeners(context, group)
  local sections = #group.sections > 1 and hosts_of(group) or nil
  local first = group.sections[1]
  for i, name in ipairs(group.listeners) do
    table.insert(context.draft.listeners, { name = name, address = group.addresses[i], port = group.port,
      at = first.object:place(first.path), sections = sections,
      tls = group.https and { certs = { unpack(group.certs) }, tickets = true } or nil })
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

--- Adds listeners, routes and services of the Gateways to the draft.
-- @param context as for mesh.add(), and { gateway_workloads = of gateway_api.workloads() }
function gateway_api.add(context)
  context.groups = listeners.groups(context)
  for _, group in ipairs(context.groups) do add_listeners(context, group) end
  add_misdirected(context)
  local contexts, list = {}, {}
  for _, route in ipairs(context.store:all(HTTP_ROUTE)) do
    for _, place in ipairs(attach.places(context, route)) do
      local gateway = place.group.gateway
      contexts[gateway] = contexts[gateway] or context_for(context, gateway)
      if place.section.served then routes.add(contexts[gateway], route, place, list) end
    end
  end
  for _, route in ipairs(order.rank(list, true)) do table.insert(context.draft.routes, route) end
end

return gateway_api
