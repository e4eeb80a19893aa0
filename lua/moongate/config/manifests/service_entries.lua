--- ServiceEntries: services that Kubernetes does not know, in the form of services.lua; each host is one.
local endpoints = require "moongate.config.manifests.endpoints"
local exports = require "moongate.config.manifests.exports"
local service_entry_check = require "moongate.config.manifests.service_entry_check"
local workloads = require "moongate.config.manifests.workloads"

local service_entries = {}

local KIND = "networking.istio.io/ServiceEntry"
local SPEAKS_TLS = { HTTPS = true, TLS = true }
local TCP_PORTS = { [25] = true, [53] = true, [3306] = true, [27017] = true }

-- Whether requests of HTTP/1.1 can be sent to a port; one that speaks TLS, where a DestinationRule says how.
local function is_usable(port)
  local protocol = port.protocol:upper()
  if protocol == "" then return not TCP_PORTS[port.number], "TCP" end
  return protocol == "HTTP" or SPEAKS_TLS[protocol] or false, protocol
end

-- ---- endpoints --------------------------------------------------------------------------------

-- An endpoint written in the entry: a workload that only its labels and account are known of.
local function workload_of(store, entry, i, endpoint)
  local labels = endpoint.labels
  return workloads.make(store, { name = labels["service.istio.io/workload-name"] or ("%s-%d"):format(entry.name, i - 1),
    namespace = entry.namespace, labels = labels, account = endpoint.serviceAccount or "default", object = entry })
end

local function written(entry, service, port)
  local list = {}
  for i, endpoint in ipairs(entry.spec.endpoints or {}) do
    if endpoint.address then
      local number = endpoint.ports[port.name] or port.targetPort or port.number
      local file = service_entry_check.path_of(endpoint.address)
      local made = { address = file and "unix:" .. file or endpoints.join(endpoint.address, number),
        labels = endpoint.labels,
        weight = endpoint.weight > 0 and endpoint.weight or 1, at = entry:place { "spec", "endpoints", i, "address" } }
      list[i] = made
      if service.behind[i] then
        table.insert(service.pods, { endpoint = made, host = endpoint.address, workload = service.behind[i] })
      end
    end
  end
  return list
end

-- The endpoints of a port, or nil and why nobody can be asked.
local function endpoints_of(entry, service, port)
  local spec = entry.spec
  if spec.workloadSelector then
    return endpoints.of_selected(service, { number = port.number, name = port.name, target = port.targetPort })
  elseif spec.resolution == "NONE" or spec.resolution == "DYNAMIC_DNS" then
    return nil, ("its resolution is %s, which names no address to call"):format(spec.resolution)
  elseif #(spec.endpoints or {}) > 0 then
    return written(entry, service, port)
  elseif service.fqdn:sub(1, 1) == "*" then
    return nil, "a host with '*' cannot be looked up"
  end
  return { { address = endpoints.join(service.fqdn, port.targetPort or port.number), labels = {},
    at = entry:place { "spec", "hosts" } } }
end

-- ---- services ---------------------------------------------------------------------------------

local function behind(store, entry, all)
  local spec, list = entry.spec, {}
  if spec.workloadSelector then
    return next(spec.workloadSelector.labels) and workloads.select(all, spec.workloadSelector.labels, entry.namespace)
      or {}
  end
  for i, endpoint in ipairs(spec.endpoints or {}) do
    if endpoint.serviceAccount or next(endpoint.labels) then list[i] = workload_of(store, entry, i, endpoint) end
  end
  return list
end

local function add_port(entry, service, i, port)
  local usable, protocol = is_usable(port)
  local list, why = endpoints_of(entry, service, port)
  local asked = { number = port.number, name = port.name, target = port.targetPort }
  local made = { number = port.number, name = port.name, index = i, endpoints = list or {}, unroutable = why,
    numbers = endpoints.numbers(list or {}, asked), speaks_tls = SPEAKS_TLS[protocol] }
  if usable then
    table.insert(service.ports, made)
  else
    entry:warn({ "spec", "ports", i }, ("%s is not served: only HTTP is"):format(protocol))
    made.unserved = protocol
    table.insert(service.others, made)
  end
end

-- `behind` may have holes where an endpoint says nothing of itself; others want a list.
local function dense(list, count)
  local found = {}
  for i = 1, count do found[#found + 1] = list[i] end
  return found
end

local function describe(store, entry, host, all)
  local spec = entry.spec
  local service = { object = entry, fqdn = host:lower(), ports = {}, others = {}, pods = {}, is_entry = true,
    behind = behind(store, entry, all), subject_alt_names = spec.subjectAltNames }
  for i, port in ipairs(spec.ports or {}) do add_port(entry, service, i, port) end
  service.behind = dense(service.behind, math.max(#(spec.endpoints or {}), #service.behind))
  return service
end

--- Whether rules of a namespace may name a service.
function service_entries.is_visible(service, namespace)
  return not service.is_entry or exports.is_visible(service.object, namespace)
end

--- The service of a host that rules of a namespace mean: Kubernetes's, else the ServiceEntry of their own namespace,
-- else the first that is exported to it; or nil.
function service_entries.find(by_name, host, namespace)
  local first = by_name[host]
  for _, service in ipairs(first and first.entries or {}) do
    if service.object.namespace == namespace and service_entries.is_visible(service, namespace) then return service end
  end
  for _, service in ipairs(first and first.entries or { first }) do
    if service_entries.is_visible(service, namespace) then return service end
  end
end

--- Adds the hosts of all ServiceEntries to services by name; a Service of that name goes before them.
function service_entries.add(store, by_name, all)
  for _, entry in ipairs(store:all(KIND)) do
    service_entry_check.whole(entry)
    for i, host in ipairs(entry.spec.hosts or {}) do
      local service = describe(store, entry, host, all)
      local first = by_name[service.fqdn]
      if first and not first.is_entry then
        entry:warn({ "spec", "hosts", i }, "is a Service too, which counts")
      elseif first then
        table.insert(first.entries, service)
      else
        by_name[service.fqdn], service.entries = service, { service }
      end
      for _, workload in ipairs(service.behind) do
        if workload.object ~= entry then workload.object:attach("service " .. service.fqdn) end
      end
    end
    for i in ipairs(entry.spec.addresses or {}) do
      entry:warn({ "spec", "addresses", i }, "has no effect: nothing listens on addresses of ServiceEntries here")
    end
  end
end

return service_entries
