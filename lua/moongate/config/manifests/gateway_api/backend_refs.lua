--- backend_refs: what the backendRefs of a rule mean for the model.
-- A reference that cannot be used keeps its share of the requests, and answers them with 500 (HTTPRouteRule).
local grants = require "moongate.config.manifests.gateway_api.grants"
local names = require "moongate.config.manifests.names"
local path_of = require "moongate.config.manifests.path"
local service_entries = require "moongate.config.manifests.service_entries"
local services = require "moongate.config.manifests.services"

local backend_refs = {}

local ISTIO = "networking.istio.io"
local NOWHERE = "nowhere" -- the model's service for what cannot be used; asked for nothing

-- A port of any protocol; one that speaks TLS counts where a BackendTLSPolicy says how.
local function port_of(context, service, number)
  local port, why = services.port(service, number)
  for _, other in ipairs(not port and service.others or {}) do
    if other.number == number then port = other end
  end
  if not port then return nil, "BackendNotFound", why end
  local tls = context.backend_tls:of(service, port)
  if port.unserved and not (tls and port.speaks_tls) then
    return nil, "UnsupportedProtocol", ("port %d of %s speaks %s, which is not supported%s"):format(number,
      service.fqdn, port.unserved, port.speaks_tls and " without a BackendTLSPolicy" or "")
  end
  return port, tls
end

local function is_service(ref) return ref.kind == "Service" and (ref.group == "" or ref.group == "core") end

-- Istio's reference to any host that it knows, such as a ServiceEntry's.
local function judge_host(context, route, ref)
  local service = service_entries.find(context.services_by_name, ref.name:lower(), route.namespace)
  if not service then
    return { reason = "BackendNotFound", message = services.unknown(ref.name, context.services_by_name) }
  end
  local port, tls, why = port_of(context, service, ref.port)
  if not port then return { reason = tls, message = why } end
  if port.unroutable then
    return { reason = "UnsupportedProtocol", message = ("%s cannot be called: %s"):format(ref.name, port.unroutable) }
  end
  return { service = service, port = port, tls = tls }
end

local function judge(context, route, ref)
  if ref.group == ISTIO and ref.kind == "Hostname" then return judge_host(context, route, ref) end
  if not is_service(ref) then
    return { reason = "InvalidKind",
      message = ("%s of group %q is not supported; Service is"):format(ref.kind, ref.group) }
  end
  local host = names.service(ref.name, ref.namespace or route.namespace)
  local service = context.services_by_name[host]
  if not service then
    return { reason = "BackendNotFound", message = services.unknown(host, context.services_by_name) }
  end
  local port, tls, why = port_of(context, service, ref.port)
  if not port then return { reason = tls, message = why } end
  return { service = service, port = port, tls = tls }
end

-- What is judged of a reference, once: { service, port, tls = of backend_tls:of() or nil } or { reason, message }.
local function verdict_of(context, route, ref)
  local known = context.verdicts[ref]
  if not known then
    known = judge(context, route, ref)
    context.verdicts[ref] = known
  end
  return known
end

-- Why a Gateway may not send there, as { reason, message }, or nil. Routes in the mesh need no ReferenceGrant: whoever
-- calls could call the other Service as well, and what guards it guards it here (GEP-1294).
local function missing_grant(context, route, ref)
  local namespace = ref.namespace or route.namespace
  if not is_service(ref) or grants.allow(context.store, route, "Service", namespace, ref.name) then return nil end
  return { reason = "RefNotPermitted", message = ("no ReferenceGrant lets it use the Service %s of the namespace %s")
    :format(ref.name, namespace) }
end

--- Judges a reference for the route's status: sets route.unresolved and, for parents in the mesh, unresolved_in_mesh.
function backend_refs.check(context, route, path, ref)
  if (ref.kind == "Service" and ref.group == "" or ref.kind == "Hostname" and ref.group == ISTIO) and not ref.port then
    return route:refuse(path, "'port' is missing; expected the Service's port")
  end
  local verdict = verdict_of(context, route, ref)
  local bad = verdict.reason and verdict or nil
  route.unresolved = route.unresolved or missing_grant(context, route, ref) or bad
  route.unresolved_in_mesh = route.unresolved_in_mesh or bad
end

-- Its own listener has asked about a request already: a waypoint asks once, a workload for each of its ports.
local function guard_in_mesh(context, service, port)
  if service ~= context.mesh_service then
    return context.authorization:guard_service(service, port, context.origins)
  end
  if port == context.mesh_port or service.waypoint then return nil end
  local list = {}
  for _, use in ipairs(context.authorization:guard_service(service, port, context.origins) or {}) do
    if use.name ~= "jwt" then list[#list + 1] = use end -- what it read from a token is known, and the token may be gone
  end
  return list
end

local function guard_of(context, service, port)
  if context.mesh_service then return guard_in_mesh(context, service, port) end
  return context.authorization:guard_behind(service, port, context.origins)
end

--- The model's service that a reference means.
-- @param otherwise what happens when it cannot be used, for the warning
-- @return its name and, where the model calls the endpoints themselves, the uses of policies that guard them (or
-- nil); nil when the reference cannot be used, which is said in a warning
function backend_refs.service(context, route, path, ref, otherwise)
  local verdict = not context.mesh_service and missing_grant(context, route, ref) or verdict_of(context, route, ref)
  if verdict.reason then return route:warn(path, ("%s; %s"):format(verdict.message, otherwise)) end
  local service, port, tls = verdict.service, verdict.port, verdict.tls
  if tls then context.backend_tls:note(service, port, context.gateway or route) end
  if service.address and not tls and not context.mesh_service then
    return context.backends:through_mesh(service, port, context.caller), context.backends:on_the_way(service)
  end
  local name = context.backends:direct(service, port, context.client_pair, nil, context.client)
  return name, guard_of(context, service, port)
end

local function unusable(context, route, path, weight)
  local at = route:place(path)
  context.backends.services[NOWHERE] = context.backends.services[NOWHERE] or { endpoints = {}, at = at }
  return { service = NOWHERE, weight = weight, at = at,
    policies = { { name = "respond", conf = { status = 500 }, at = at } } }
end

--- @param uses_of function(context, route, path of the reference, filters or nil, matched) giving uses of policies
-- @return array of the model's backends; those of weight 0 are left out
function backend_refs.backends(context, route, path, refs, uses_of, matched)
  local list = {}
  for i, ref in ipairs(refs or {}) do
    local at = path_of(path, i)
    local name, guard = backend_refs.service(context, route, at, ref, "its share is answered 500")
    local uses = uses_of(context, route, at, ref.filters, matched)
    context.authorization.prepend(uses, guard)
    if ref.weight > 0 then
      list[#list + 1] = name and { service = name, weight = ref.weight, at = route:place(at),
        policies = uses[1] and uses }
        or unusable(context, route, at, ref.weight)
    end
  end
  return list
end

return backend_refs
