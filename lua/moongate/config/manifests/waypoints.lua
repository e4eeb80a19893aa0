--- Which services pass a waypoint: the Gateways of the Gateway API that stand for one, old form and new.
local gateways = require "moongate.config.manifests.gateway_api.gateways"
local labels = require "moongate.config.manifests.gateway_api.labels"

local waypoints = {}

local ACCOUNT = "istio.io/service-account" -- annotation of the old form
local USE, USE_NAMESPACE = "istio.io/use-waypoint", "istio.io/use-waypoint-namespace" -- labels of the new form
local HBONE_PORT = 15008

local function check_listeners(gateway)
  local listeners = gateway.spec.listeners
  if gateway.spec.gatewayClassName == "istio-waypoint" and #listeners ~= 1 then
    gateway:refuse({ "spec", "listeners" }, ("expected one listener, found %d"):format(#listeners))
  end
  for i, listener in ipairs(listeners) do
    if listener.protocol ~= "HBONE" or listener.port ~= HBONE_PORT then
      gateway:refuse({ "spec", "listeners", i }, ("expected port %d and protocol HBONE, found %d and %s")
        :format(HBONE_PORT, listener.port, listener.protocol))
    end
    for _, field in ipairs { "hostname", "tls" } do
      if listener[field] then gateway:refuse({ "spec", "listeners", i, field }, "has no meaning at a waypoint") end
    end
  end
end

local function is_known_account(store, workloads, gateway, account)
  if store:get("/ServiceAccount", gateway.namespace, account) then return true end
  for _, workload in ipairs(workloads) do
    if workload.account == account and workload.namespace == gateway.namespace then return true end
  end
end

local function legacy(store, workloads, gateway)
  local account = gateway.annotations[ACCOUNT]
  if account and not is_known_account(store, workloads, gateway, account) then
    gateway:warn({ "metadata", "annotations", ACCOUNT },
      ("there is no ServiceAccount %s in the namespace %s, so nothing passes this waypoint")
        :format(account, gateway.namespace))
  end
  return { object = gateway, legacy = true, account = account, name = gateway.name, namespace = gateway.namespace,
    workload_name = gateway.name .. "-waypoint-proxy" }
end

local function current(gateway)
  local serves = gateway.labels["istio.io/waypoint-for"] or "service"
  if serves ~= "service" and serves ~= "all" then
    gateway:refuse({ "metadata", "labels", "istio.io/waypoint-for" },
      ("%s is not supported yet; service and all are"):format(serves))
  end
  return { object = gateway, legacy = false, name = gateway.name, namespace = gateway.namespace }
end

--- Every waypoint: { object, legacy, account (nil: the whole namespace), name, namespace, workload_name }.
function waypoints.all(store, workloads)
  local list = {}
  for _, gateway in ipairs(store:all("gateway.networking.k8s.io/Gateway")) do
    local class = gateway.spec.gatewayClassName
    if class == "istio-mesh" then
      list[#list + 1] = legacy(store, workloads, gateway)
    elseif class == "istio-waypoint" then
      list[#list + 1] = current(gateway)
    elseif not gateways.is_served(store, gateway) then
      gateway:refuse({ "spec", "gatewayClassName" }, ("there is no GatewayClass %s; istio, istio-waypoint and "
        .. "istio-mesh need none"):format(class))
    end
    if list[#list] and list[#list].object == gateway then check_listeners(gateway) end
  end
  return list
end

-- The waypoint of the new form that a service, else its namespace, asks for; nil, with a warning, where there is none
-- or it lets nobody of that namespace in.
local function asked_for(store, all, service)
  local own = service.object.namespace
  local object = service.object.labels[USE] and service.object or store:get("/Namespace", nil, own)
  local name = object and object.labels[USE] or "none"
  if name == "none" then return nil end
  local namespace = object.labels[USE_NAMESPACE] or own
  for _, waypoint in ipairs(all) do
    if not waypoint.legacy and waypoint.name == name and waypoint.namespace == namespace then
      local listener = waypoint.object.spec.listeners[1]
      if listener and labels.allow(store, listener.allowedRoutes.namespaces, namespace, own) then return waypoint end
      return object:warn({ "metadata", "labels", USE }, ("has no effect: the waypoint %s/%s lets nobody of the "
        .. "namespace %s in (allowedRoutes)"):format(namespace, name, own))
    end
  end
  return object:warn({ "metadata", "labels", USE }, ("has no effect: there is no waypoint %s in the namespace %s")
    :format(name, namespace))
end

--- Whether a workload's own calls and calls to it pass this waypoint (the old form only).
function waypoints.serves_workload(waypoint, workload)
  return waypoint.legacy and waypoint.namespace == workload.namespace
    and (not waypoint.account or waypoint.account == workload.account)
end

--- The waypoint that requests to a service pass, or nil. One for its service account goes before one for
-- the whole namespace.
function waypoints.serving(store, all, service, behind)
  local found
  local asked = asked_for(store, all, service)
  for _, waypoint in ipairs(all) do
    local serves = waypoint == asked
    for _, workload in ipairs(behind) do serves = serves or waypoints.serves_workload(waypoint, workload) end
    if serves and (not found or waypoint.account and not found.account) then found = waypoint end
  end
  return found
end

return waypoints
