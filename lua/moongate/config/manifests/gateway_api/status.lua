--- status: what was judged of the Gateway API's objects, in the form of their status fields.
-- It decides nothing: everything here was decided where the model was made.
local json = require "moongate.json"

local status = {}

local GROUP = "gateway.networking.k8s.io"
-- Classes that need no object, with the names of who serves them.
local CONTROLLERS = { istio = "istio.io/gateway-controller", ["istio-waypoint"] = "istio.io/mesh-controller",
  ["istio-mesh"] = "istio.io/mesh-controller" }
local SELF = "moongate/gateway-controller"

local function generation_of(object)
  return tonumber(object.body.metadata.generation) or 1
end

local function controller_of(context, gateway)
  local name = gateway and gateway.spec.gatewayClassName
  local class = name and context.store:get(GROUP .. "/GatewayClass", nil, name)
  return class and class.spec.controllerName or CONTROLLERS[name or ""] or SELF
end

local makers = {}

function makers.GatewayClass(_, class)
  return { conditions = class.conditions:list(generation_of(class)) }
end

local function listeners_of(object)
  local list, generation = json.array(), generation_of(object)
  for i, section in ipairs(object.sections or {}) do
    local kinds = json.array()
    for j, kind in ipairs(section.kinds) do kinds[j] = { group = GROUP, kind = kind } end
    list[i] = { name = section.name, attachedRoutes = section.attached, supportedKinds = kinds,
      conditions = section.conditions:list(generation) }
  end
  return list
end

function makers.Gateway(_, gateway)
  local addresses = json.array()
  for i, value in ipairs(gateway.conditions:holds "Programmed" and gateway.addresses or {}) do
    addresses[i] = { type = "IPAddress", value = value }
  end
  return { addresses = addresses, attachedListenerSets = gateway.attached_sets or 0,
    conditions = gateway.conditions:list(generation_of(gateway)), listeners = listeners_of(gateway) }
end

function makers.ListenerSet(_, set)
  return { conditions = set.conditions:list(generation_of(set)), listeners = listeners_of(set) }
end

local function gateway_of(context, parent)
  local object = context.store:get(GROUP .. "/" .. parent.ref.kind, parent.namespace, parent.ref.name)
  return object and (object.kind == "ListenerSet" and object.parent or object)
end

local function parents_of(context, route)
  local list, generation = json.array(), generation_of(route)
  for i, parent in ipairs(route.parents) do
    local ref = {}
    for _, field in ipairs { "group", "kind", "namespace", "name", "sectionName", "port" } do
      ref[field] = parent.ref[field]
    end
    list[i] = { parentRef = ref, controllerName = controller_of(context, gateway_of(context, parent)),
      conditions = parent.conditions:list(generation) }
  end
  return { parents = list }
end

makers.HTTPRoute, makers.GRPCRoute = parents_of, parents_of

-- The ancestors are the Gateways whose routes lead to the service; without one, what the policy is about.
function makers.BackendTLSPolicy(context, policy)
  local list, conditions = json.array(), policy.conditions:list(generation_of(policy))
  for i, gateway in ipairs(context.backend_tls:gateways(policy)) do
    list[i] = { ancestorRef = { group = GROUP, kind = "Gateway", namespace = gateway.namespace, name = gateway.name },
      controllerName = controller_of(context, gateway), conditions = conditions }
  end
  for i, ref in ipairs(#list == 0 and policy.spec.targetRefs or {}) do
    list[i] = { ancestorRef = { group = ref.group, kind = ref.kind, name = ref.name, sectionName = ref.sectionName,
      namespace = policy.namespace }, controllerName = SELF, conditions = conditions }
  end
  return { ancestors = list }
end

--- The status of every object that has one here.
-- @param context of the load, judged and served
-- @return array of { apiVersion, kind, metadata = { name, namespace, generation }, status }, by kind and in order of
-- appearance
function status.of(context)
  local list = json.array()
  for _, kind in ipairs { "GatewayClass", "Gateway", "ListenerSet", "HTTPRoute", "GRPCRoute", "BackendTLSPolicy" } do
    for _, object in ipairs(context.store:all(GROUP .. "/" .. kind)) do
      if object.parents or object.conditions then
        list[#list + 1] = { apiVersion = object.body.apiVersion, kind = kind, status = makers[kind](context, object),
          metadata = { name = object.name, namespace = object.namespace, generation = generation_of(object) } }
      end
    end
  end
  return list
end

return status
