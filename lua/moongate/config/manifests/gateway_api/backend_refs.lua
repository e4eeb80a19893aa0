--- backend_refs: what the backendRefs of a rule mean for the model.
-- A reference that cannot be used keeps its share of the requests, and answers them with 500 (HTTPRouteRule).
local grants = require "moongate.config.manifests.gateway_api.grants"
local names = require "moongate.config.manifests.names"
local path_of = require "moongate.config.manifests.path"
local services = require "moongate.config.manifests.services"

local backend_refs = {}

local NOWHERE = "nowhere" -- the model's service for what cannot be used; asked for nothing

-- Why a reference cannot be used; or the service and its port.
local function resolve(context, route, ref)
  if ref.group ~= "" or ref.kind ~= "Service" then
    return ("%s of group %q is not supported; Service is"):format(ref.kind, ref.group)
  end
  local namespace = ref.namespace or route.namespace
  if not grants.allow(context.store, route, "Service", namespace, ref.name) then
    return ("no ReferenceGrant lets it use the Service %s of the namespace %s"):format(ref.name, namespace)
  end
  local host = names.service(ref.name, namespace)
  local service = context.services_by_name[host]
  if not service then return services.unknown(host, context.services_by_name) end
  local port, why = services.port(service, ref.port)
  if not port then return why end
  return nil, service, port
end

--- The model's service that a reference means.
-- @param otherwise what then happens, for the warning
-- @return its name and, where the model calls the endpoints themselves, the use of policy rbac that guards them (or
-- nil); nil when the reference cannot be used, which is said in a warning
function backend_refs.service(context, route, path, ref, otherwise)
  if ref.kind == "Service" and ref.group == "" and not ref.port then
    return route:refuse(path, "'port' is missing; expected the Service's port")
  end
  local why, service, port = resolve(context, route, ref)
  if why then return route:warn(path, ("%s; %s"):format(why, otherwise)) end
  if service.address then return context.backends:through_mesh(service, port, context.caller) end
  return context.backends:direct(service, port), context.authorization:guard(service.behind, context.origins)
end

local function unusable(context, route, path, weight)
  local at = route:place(path)
  context.backends.services[NOWHERE] = context.backends.services[NOWHERE] or { endpoints = {}, at = at }
  return { service = NOWHERE, weight = weight, at = at,
    policies = { { name = "respond", conf = { status = 500 }, at = at } } }
end

--- @param filters function(path, list) giving uses of policies
-- @return array of the model's backends; those of weight 0 are left out
function backend_refs.backends(context, route, path, refs, filters)
  local list = {}
  for i, ref in ipairs(refs or {}) do
    local at = path_of(path, i)
    local name, guard = backend_refs.service(context, route, at, ref, "its share is answered 500")
    local uses = filters(path_of(at, "filters"), ref.filters)
    if guard then table.insert(uses, 1, guard) end
    if ref.weight > 0 then
      list[#list + 1] = name and { service = name, weight = ref.weight, at = route:place(at), policies = uses }
        or unusable(context, route, at, ref.weight)
    end
  end
  return list
end

return backend_refs
