--- summary: a model as JSON for the admin address, without what is secret: no PEM text, no policy's settings.
local image = require "moongate.model.image"
local json = require "moongate.json"

local summary = {}

local NONE = json.array()

local function names_of(uses)
  if not uses or #uses == 0 then return NONE end
  local list = json.array()
  for i, use in ipairs(uses) do list[i] = { name = use.name, at = use.at, shadow = use.shadow } end
  return list
end

local function array_of(list)
  return list and json.array(list) or NONE
end

local function listener_of(listener)
  local tls
  if listener.tls then
    local certs = json.array()
    for i, cert in ipairs(listener.tls.certs) do certs[i] = cert.name end
    tls = { certs = certs, client_auth = listener.tls.client_auth, min_version = listener.tls.min_version }
  end
  return { name = listener.name, at = listener.at, address = listener.address, tls = tls, limits = listener.limits,
           trusted_hops = listener.trusted_hops }
end

local function service_of(service)
  local endpoints = json.array()
  for i, endpoint in ipairs(service.endpoints) do
    endpoints[i] = { address = endpoint.address, labels = endpoint.labels, weight = endpoint.weight }
  end
  return { at = service.at, endpoints = endpoints, subsets = service.subsets, balance = service.balance,
           tls = service.tls ~= nil, pool = service.pool,
           circuit_breaker = service.circuit_breaker, outlier_detection = service.outlier_detection,
           health_check = service.health_check, proxy_protocol = service.proxy_protocol }
end

local function backends_of(backends)
  local list = json.array()
  for i, backend in ipairs(backends) do
    list[i] = { service = backend.service, subset = backend.subset, weight = backend.weight,
                policies = names_of(backend.policies) }
  end
  return list
end

local function route_of(route)
  local matches = json.array()
  for i, match in ipairs(route.matches) do
    matches[i] = { path = match.path, method = match.method, authority = match.authority, scheme = match.scheme,
                   principal = match.principal, claims = match.claims,
                   headers = array_of(match.headers), query = array_of(match.query) }
  end
  return { name = route.name, at = route.at, hosts = array_of(route.hosts), listeners = array_of(route.listeners),
           matches = matches, policies = names_of(route.policies), backends = backends_of(route.backends),
           timeout_ms = route.timeout, per_try_timeout_ms = route.per_try_timeout, retries = route.retries }
end

--- The JSON text of a checked model.
-- @param bytes the image that moongate.cli.load made of it
function summary.of_image(bytes)
  local model = image.decode(bytes).model
  local listeners, services, routes = json.array(), {}, json.array()
  for i, listener in ipairs(model.listeners) do listeners[i] = listener_of(listener) end
  for name, service in pairs(model.services) do services[name] = service_of(service) end
  for i, route in ipairs(model.routes) do routes[i] = route_of(route) end
  return assert(json.encode {
    source = model.source, admin = model.admin and model.admin.address, listeners = listeners, services = services,
    policies = names_of(model.policies), routes = routes,
  })
end

return summary
