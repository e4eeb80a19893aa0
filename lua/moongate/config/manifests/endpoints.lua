--- Who is behind the ports of a service: its EndpointSlices, else its Endpoints, else the Pods that it selects; and the
-- WorkloadEntries that it selects in any case.
local names = require "moongate.config.manifests.names"
local workloads = require "moongate.config.manifests.workloads"

local endpoints = {}

--- "host:port", with brackets around an IPv6 address.
function endpoints.join(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

--- What endpoints.of() looks into: the EndpointSlices and Endpoints of each service by its full name.
function endpoints.sources(store)
  local sources = { slices = {}, lists = {} }
  for _, slice in ipairs(store:all("discovery.k8s.io/EndpointSlice")) do
    local key = names.service(slice.labels["kubernetes.io/service-name"] or "", slice.namespace)
    sources.slices[key] = sources.slices[key] or {}
    table.insert(sources.slices[key], slice)
  end
  for _, list in ipairs(store:all("/Endpoints")) do
    sources.lists[names.service(list.name, list.namespace)] = list
  end
  return sources
end

-- Adds an endpoint; service.pods notes the workload behind it, `seen` that it is there.
local function add(into, host, number, from)
  local address = endpoints.join(host, number)
  if into.seen[address] then return end
  into.seen[address] = true
  local workload = from.workload
  local made = { address = address, labels = from.labels or workload and workload.labels or {}, weight = from.weight,
    at = from.at }
  table.insert(into.list, made)
  if workload then table.insert(into.service.pods, { endpoint = made, host = host, workload = workload }) end
end

-- The workload (and the labels) behind an address that `object` gives at `path`.
local function behind(object, path, ref, host, service, all)
  local workload, labels = workloads.at_address(all, host)
  if workload then return workload, labels end
  if ref and ref.name then
    workload, labels = workloads.of_pod(all, ref.name, ref.namespace or object.namespace)
    if not workload and all.deployments > 0 then
      path[#path + 1] = "targetRef"
      object:warn(path, ("no Deployment has a pod %s, so its labels are unknown"):format(ref.name))
    end
    return workload, labels
  end
  if #service.behind == 1 then return service.behind[1] end
  if all.deployments == 0 then return nil end -- without Deployments nobody expects labels
  object:warn(path, ("no targetRef says which of %d Deployments is behind it, so its labels are unknown")
    :format(#service.behind))
end

local function port_in(ports, port)
  for _, candidate in ipairs(ports or {}) do
    if candidate.name == (port.name or "") then return candidate.port end
  end
end

local function from_slices(into, slices, port, all)
  for _, slice in ipairs(slices) do
    slice:attach("service " .. into.service.fqdn)
    local number = port_in(slice.body.ports, port)
    for i, endpoint in ipairs(number and slice.body.endpoints or {}) do
      local ready = into.service.publish_all or not endpoint.conditions or endpoint.conditions.ready
      for j, host in ipairs(ready and endpoint.addresses or {}) do
        local workload, labels = behind(slice, { "endpoints", i }, endpoint.targetRef, host, into.service, all)
        add(into, host, number, { workload = workload, labels = labels,
          at = slice:place { "endpoints", i, "addresses", j } })
      end
    end
  end
end

local function from_list(into, object, port, all)
  object:attach("service " .. into.service.fqdn)
  for i, subset in ipairs(object.body.subsets or {}) do
    local number = port_in(subset.ports, port)
    for _, field in ipairs(number and { "addresses", into.service.publish_all and "notReadyAddresses" } or {}) do
      for j, address in ipairs(subset[field] or {}) do
        local at = object:place { "subsets", i, field, j }
        local workload, labels = behind(object, { "subsets", i, field, j }, address.targetRef, address.ip, into.service,
          all)
        add(into, address.ip, number, { workload = workload, labels = labels, at = at })
      end
    end
  end
end

-- The number of a port where an instance of a workload runs: its own word on that port, the service's, the same.
local function number_at(instance, port)
  local own = instance.ports[port.name or ""]
  if own then return own end
  if type(port.target) == "string" then return instance.named[port.target] or tonumber(port.target) end
  return port.target or port.number
end

local function from_instances(into, port, pods)
  for _, workload in ipairs(into.service.behind) do
    for _, instance in ipairs(workload.instances) do
      local number = (pods or not instance.is_pod) and number_at(instance, port)
      if number and (instance.ready or into.service.publish_all) then
        instance.object:attach("service " .. into.service.fqdn)
        add(into, instance.host, number, { workload = workload, labels = instance.labels, weight = instance.weight,
          at = instance.at })
      elseif not number and (pods or not instance.is_pod) then
        instance.object:warn({}, ("has no port named %s, so it takes no requests of %s"):format(port.target,
          into.service.fqdn))
      end
    end
  end
end

--- The numbers that a port has at its endpoints, each once, in the order of these; without any, the one that it would
-- have.
-- @param list of endpoints.of() or of its form; @param port as for endpoints.of()
function endpoints.numbers(list, port)
  local numbers, seen = {}, {}
  for _, endpoint in ipairs(list) do
    local number = not endpoint.address:find("^unix:") and tonumber(endpoint.address:match(":(%d+)$"))
    if number and not seen[number] then
      seen[number], numbers[#numbers + 1] = true, number
    end
  end
  if not numbers[1] then numbers[1] = tonumber(port.target) or port.number end
  return numbers
end

--- The number that a Service itself gives a port of the Pods that it selects, where lists say who these are: files that
-- stand for a cluster may list others in their place. Or nil: its endpoints alone know.
function endpoints.declared(sources, service, port)
  local listed = sources.slices[service.fqdn] or sources.lists[service.fqdn]
  return listed and service.behind[1] and (port.target == nil and port.number or tonumber(port.target)) or nil
end

--- Endpoints of a port of a service { fqdn, behind = workloads, pods }.
-- @param port { number, name, target = targetPort or nil }
function endpoints.of(sources, service, port, all)
  local into = { list = {}, seen = {}, service = service }
  local slices, list = sources.slices[service.fqdn], sources.lists[service.fqdn]
  if slices then
    from_slices(into, slices, port, all)
  elseif list then
    from_list(into, list, port, all)
  end
  from_instances(into, port, not slices and not list)
  return into.list
end

--- Endpoints of a port from workloads alone, as a workloadSelector gives them.
function endpoints.of_selected(service, port)
  local into = { list = {}, seen = {}, service = service }
  from_instances(into, port, true)
  return into.list
end

return endpoints
