--- Services with their endpoints and subsets, as the model has them.
local address = require "moongate.model.address"
local endpoints = require "moongate.config.manifests.endpoints"
local names = require "moongate.config.manifests.names"
local suggest = require "moongate.suggest"
local workloads = require "moongate.config.manifests.workloads"

local services = {}

services.join_address = endpoints.join

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

-- The host that a service of type ExternalName is, or nil.
local function external_host(object)
  local spec = object.spec
  if spec.type ~= "ExternalName" then return nil end
  local host = (spec.externalName or ""):lower():gsub("%.$", "")
  if address.is_ip(host) or address.is_name(host) then return host end
  return object:refuse({ "spec", "externalName" }, ("expected a host name, got %q"):format(host))
end

local function describe(sources, object, all)
  local spec = object.spec
  local selector = spec.selector
  local service = {
    object = object, fqdn = names.service(object.name, object.namespace), ports = {}, others = {},
    pods = {},
    behind = selector and next(selector) and workloads.select(all, selector, object.namespace) or {},
    address = spec.clusterIP ~= "None" and spec.clusterIP ~= "" and spec.clusterIP or nil,
    publish_all = spec.publishNotReadyAddresses, keeps_clients = spec.sessionAffinity == "ClientIP",
  }
  local host = external_host(object)
  if host then service.host = host end -- what TLS names it
  local function as_asked(port) return { number = port.port, name = port.name, target = port.targetPort } end
  local function endpoints_at(port)
    if host then
      return { { address = endpoints.join(host, port.port), labels = {},
        at = object:place { "spec", "externalName" } } }
    end
    return endpoints.of(sources, service, as_asked(port), all)
  end
  for i, port in ipairs(spec.ports or {}) do
    local http, protocol = is_http(port)
    local list = endpoints_at(port)
    local made = { number = port.port, name = port.name, index = i, endpoints = list,
      numbers = endpoints.numbers(list, as_asked(port)),
      declared = endpoints.declared(sources, service, as_asked(port)),
      unknown = not list[1] and not tonumber(port.targetPort or port.port) and port.targetPort or nil }
    if http then
      service.ports[#service.ports + 1] = made
    else
      object:warn({ "spec", "ports", i }, ("%s is not served: only HTTP is"):format(protocol))
      made.unserved, made.speaks_tls = protocol, SPEAKS_TLS[protocol:lower()] or false
      service.others[#service.others + 1] = made
    end
  end
  for _, workload in ipairs(service.behind) do workload.object:attach("service " .. service.fqdn) end
  return service
end

--- Every Service: { object, fqdn, address, behind = workloads,
-- ports = { { number, name, endpoints, numbers = those that it has there, at least one, declared = of
-- endpoints.declared(), unknown = its targetPort where that is a name that nobody gives a number } },
-- pods = { { endpoint, host, workload } }, others = the ports that speak no HTTP, with unserved = what they speak and
-- speaks_tls }.
-- @return array in order of appearance, and the same by full name
function services.all(store, all_workloads)
  local list, by_name, sources = {}, {}, endpoints.sources(store)
  for _, object in ipairs(store:all("/Service")) do
    local service = describe(sources, object, all_workloads)
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
-- @param subsets those that there are, by name
function services.unknown_subset(service, subset, subsets)
  return ("no DestinationRule gives %s a subset %s%s"):format(service.fqdn, subset,
    suggest.hint(subset, suggest.keys(subsets)))
end

return services
