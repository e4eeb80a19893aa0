--- Subsets of services that policies guard.  Policies are asked at a service's own listener, so whoever calls goes
-- there; a header tells the listener which subset is meant, and never gets further.  What a client sends in it is
-- removed on the way to such a service; one that calls the listener itself may choose a subset so, and gets past no
-- policy by it.
local names = require "moongate.config.manifests.names"
local service_entries = require "moongate.config.manifests.service_entries"
local suggest = require "moongate.suggest"

local subset_hops = {}

local HEADER = "x-moongate-subset"

local function destinations_of(http)
  local list = {}
  for _, entry in ipairs(http.route or {}) do list[#list + 1] = entry.destination end
  for _, entry in ipairs(http.mirrors or {}) do list[#list + 1] = entry.destination end
  list[#list + 1] = http.mirror
  return list
end

-- Whether a VirtualService routes the requests that have come to the service's own listener, and no others.
local function is_inside(object, service)
  for _, gateway in ipairs(object.spec.gateways or {}) do
    if gateway ~= "mesh" then return false end
  end
  for _, host in ipairs(object.spec.hosts or {}) do
    if names.host_matches(names.expand(host, object.namespace), service.fqdn) then return true end
  end
  return false
end

local function note(hops, context, object, destination)
  if not destination.subset then return end
  local host = names.expand(destination.host, object.namespace)
  local service = service_entries.find(context.services_by_name, host, object.namespace)
  if service and service.address and service.ports[1] and not is_inside(object, service)
    and context.backends.guard(service, service.ports[1]) then
    hops[service] = hops[service] or {}
    hops[service][destination.subset] = true
  end
end

--- The subsets that VirtualServices name of guarded services: map of service to set of names.
-- @param context { store, services_by_name, backends }
function subset_hops.find(context)
  local hops = {}
  for _, object in ipairs(context.store:all("networking.istio.io/VirtualService")) do
    for _, http in ipairs(object.spec.http or {}) do
      for _, destination in ipairs(destinations_of(http)) do note(hops, context, object, destination) end
    end
  end
  return hops
end

local function use(service, change)
  return { name = "headers", conf = { request = change }, at = service.object:place() }
end

--- The uses of policies on the way to a service's listener, with `harmless` set; nil: none is needed.
-- @param subset the one that is meant, or nil
function subset_hops.uses(hops, service, subset)
  if not hops[service] then return nil end
  return { harmless = true, use(service, subset and { set = { [HEADER] = subset } } or { remove = { HEADER } }) }
end

--- The routes of a service's listener that take what is meant for a subset.
-- @param direct function(subset) giving the model's service and subset for it
function subset_hops.routes(hops, service, port, direct, retries)
  local list, at = {}, service.object:place { "spec", "ports", port.index }
  for _, subset in ipairs(suggest.keys(hops[service] or {})) do
    local name, part = direct(subset)
    if name then
      list[#list + 1] = { name = "subset " .. subset, at = at, retries = retries(),
        matches = { { headers = { { name = HEADER, exact = subset } } } },
        policies = { use(service, { remove = { HEADER } }) },
        backends = { { service = name, subset = part, weight = 1, at = at } } }
    end
  end
  return list
end

return subset_hops
