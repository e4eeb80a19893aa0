--- Services with their endpoints and subsets, as the model has them.
local names = require "moongate.config.manifests.names"
local suggest = require "moongate.suggest"
local workloads = require "moongate.config.manifests.workloads"

local services = {}

-- What Istio takes for HTTP when a port says so by appProtocol, or by the part of its name before '-'.
local HTTP = { http = true, ["kubernetes.io/ws"] = true }
local KNOWN = { http = true, http2 = true, https = true, grpc = true, ["grpc-web"] = true, tls = true, tcp = true,
  mongo = true, mysql = true, redis = true, udp = true }
local SPEAKS_TLS = { https = true, tls = true, ["kubernetes.io/wss"] = true }
local TCP_PORTS = { [25] = true, [53] = true, [3306] = true, [27017] = true }

--- Whether a port of a service speaks HTTP/1.1; what names no protocol is taken for HTTP, as sniffing would find.
local function is_http(port)
  if port.protocol ~= "TCP" then return false, port.protocol end
  if port.appProtocol then return HTTP[port.appProtocol] or false, port.appProtocol end
  local said = port.name and port.name:match("^grpc%-web") or (port.name or ""):match("^[^-]*")
  if KNOWN[said] then return HTTP[said] or false, said end
  return not TCP_PORTS[port.port], "tcp"
end

local function merge_subsets(rules, service)
  local subsets = {}
  for _, rule in ipairs(rules) do
    for i, subset in ipairs(rule.spec.subsets or {}) do
      if subsets[subset.name] then
        rule:warn({ "spec", "subsets", i, "name" }, ("subset %s of %s is there twice; the first one counts")
          :format(subset.name, service.fqdn))
      else
        subsets[subset.name] = subset.labels
      end
    end
  end
  return subsets
end

--- The DestinationRules of a service: of its own namespace, else of the root namespace, those with the
-- most specific host; several with the same host count together.
local function rules_of(store, service)
  for _, namespace in ipairs { service.object.namespace, store.mesh.root_namespace } do
    local best, found = -1, {}
    for _, rule in ipairs(store:all("networking.istio.io/DestinationRule")) do
      local host = names.expand(rule.spec.host, rule.namespace)
      local rank = host == service.fqdn and math.huge or #host
      if rule.namespace == namespace and names.host_matches(host, service.fqdn) and rank >= best then
        if rank > best then best, found = rank, {} end
        found[#found + 1] = rule
      end
    end
    if #found > 0 then return found end
  end
  return {}
end

local function slice_port(slice, port)
  for _, candidate in ipairs(slice.body.ports or {}) do
    if candidate.name == (port.name or "") then return candidate.port end
  end
end

local function workload_of(slice, i, endpoint, service, all)
  local ref = endpoint.targetRef
  if ref and ref.name then
    local found = workloads.of_pod(all, ref.name, ref.namespace or slice.namespace)
    if not found and all.deployments > 0 then
      slice:warn({ "endpoints", i, "targetRef" }, ("no Deployment has a pod %s, so its labels are unknown")
        :format(ref.name))
    end
    return found
  end
  if #service.behind == 1 then return service.behind[1] end
  if all.deployments == 0 then return nil end -- without Deployments nobody expects labels
  slice:warn({ "endpoints", i }, ("no targetRef says which of %d Deployments is behind it, so its labels are unknown")
    :format(#service.behind))
end

local function join_address(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end
services.join_address = join_address

--- Endpoints of a port; service.pods notes the workload behind each of them.
local function endpoints_of(slices, service, port, all)
  local list = {}
  for _, slice in ipairs(slices) do
    slice:attach("service " .. service.fqdn)
    local number = slice_port(slice, port)
    for i, endpoint in ipairs(number and slice.body.endpoints or {}) do
      local workload = workload_of(slice, i, endpoint, service, all)
      local ready = not endpoint.conditions or endpoint.conditions.ready
      for j, address in ipairs(ready and endpoint.addresses or {}) do
        local made = { address = join_address(address, number), labels = workload and workload.labels or {},
          at = slice:place { "endpoints", i, "addresses", j } }
        list[#list + 1] = made
        if workload then table.insert(service.pods, { endpoint = made, host = address, workload = workload }) end
      end
    end
  end
  return list
end

local function describe(store, slices, object, all)
  local spec = object.spec
  local selector = spec.selector
  local service = {
    object = object, fqdn = names.service(object.name, object.namespace), ports = {}, others = {},
    pods = {},
    behind = selector and next(selector) and workloads.select(all, selector, object.namespace) or {},
    address = spec.clusterIP ~= "None" and spec.clusterIP ~= "" and spec.clusterIP or nil,
  }
  for i, port in ipairs(spec.ports or {}) do
    local http, protocol = is_http(port)
    if http then
      service.ports[#service.ports + 1] = { number = port.port, name = port.name, index = i,
        endpoints = endpoints_of(slices, service, port, all) }
    else
      object:warn({ "spec", "ports", i }, ("%s is not served: only HTTP is"):format(protocol))
      service.others[#service.others + 1] = { number = port.port, name = port.name, index = i, unserved = protocol,
        speaks_tls = SPEAKS_TLS[protocol:lower()] or false, endpoints = endpoints_of(slices, service, port, all) }
    end
  end
  local rules = rules_of(store, service)
  for _, rule in ipairs(rules) do rule:attach("service " .. service.fqdn) end
  for _, workload in ipairs(service.behind) do workload.object:attach("service " .. service.fqdn) end
  service.subsets = merge_subsets(rules, service)
  return service
end

local function slices_by_service(store)
  local map = {}
  for _, slice in ipairs(store:all("discovery.k8s.io/EndpointSlice")) do
    local key = names.service(slice.labels["kubernetes.io/service-name"] or "", slice.namespace)
    map[key] = map[key] or {}
    table.insert(map[key], slice)
  end
  return map
end

--- Every Service: { object, fqdn, address, behind = workloads, ports = { { number, name, endpoints } }, subsets,
-- pods = { { endpoint, host, workload } }, others = the ports that speak no HTTP, with unserved = what they speak and
-- speaks_tls }.
-- @return array in order of appearance, and the same by full name
function services.all(store, all_workloads)
  local list, by_name, slices = {}, {}, slices_by_service(store)
  for _, object in ipairs(store:all("/Service")) do
    local service = describe(store, slices[names.service(object.name, object.namespace)] or {}, object, all_workloads)
    list[#list + 1] = service
    by_name[service.fqdn] = service
  end
  return list, by_name
end

--- The account that the pods of a service run as; several cannot share one identity, the first one's is taken.
function services.account(service)
  local first = service.behind[1]
  for _, workload in ipairs(service.behind) do
    if workload.account ~= first.account then
      service.object:warn({ "spec", "selector" }, ("its pods run as %s and %s; %s answers for all")
        :format(first.account, workload.account, first.account))
      break
    end
  end
  return first and first.account
end

--- The port of a service that a route means: the number written, else its only one, else the listener's.
-- @return port, or nil and a message
function services.port(service, number, listener_port)
  local known = {}
  number = number or #service.ports ~= 1 and listener_port or nil
  for _, port in ipairs(service.ports) do
    if not number or port.number == number then return port end
    known[#known + 1] = tostring(port.number)
  end
  return nil, ("%s has no port %s that speaks HTTP; it has %s"):format(service.fqdn, number or "at all",
    #known > 0 and table.concat(known, ", ") or "none")
end

--- A message for a host that is no service.
function services.unknown(host, by_name)
  return ("there is no Service %s%s"):format(host, suggest.hint(host, suggest.keys(by_name)))
end

--- A message for a subset that no DestinationRule gives the service.
function services.unknown_subset(service, subset)
  return ("no DestinationRule gives %s a subset %s%s"):format(service.fqdn, subset,
    suggest.hint(subset, suggest.keys(service.subsets)))
end

return services
