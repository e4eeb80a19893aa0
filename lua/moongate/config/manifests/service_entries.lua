--- ServiceEntries: services that Kubernetes does not know, in the form of services.lua; each host is one.
local address = require "moongate.model.address"
local endpoints = require "moongate.config.manifests.endpoints"
local exports = require "moongate.config.manifests.exports"
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

-- ---- what may stand together ------------------------------------------------------------------

local function check_hosts(entry)
  local spec = entry.spec
  if #(spec.hosts or {}) == 0 then entry:refuse({ "spec", "hosts" }, "expected at least one host") end
  for i, host in ipairs(spec.hosts or {}) do
    local rest = host:gsub("^%*%.?", "")
    if host == "*" or not address.is_name(rest) then
      entry:refuse({ "spec", "hosts", i }, ("expected a host name, got %q"):format(host))
    end
  end
end

-- The path of "unix:///path" (ValidateUnixAddress of Istio's pkg/config/validation); nil: it is no such address.
local function path_of(host) return host:match "^unix://(.*)$" end

local function check_unix(entry, i, endpoint)
  local file = path_of(endpoint.address)
  local whole = address.parse_unix("unix:" .. file)
  if file:find "^@" then
    entry:refuse({ "spec", "endpoints", i, "address" }, "is an abstract Unix socket, which is not supported yet")
  elseif not whole or file:find "/$" then
    entry:refuse({ "spec", "endpoints", i, "address" }, "expected the whole path of a Unix socket behind unix://")
  elseif next(endpoint.ports) then
    entry:refuse({ "spec", "endpoints", i, "ports" }, "a Unix socket has no ports")
  elseif #(entry.spec.ports or {}) ~= 1 then
    entry:refuse({ "spec", "ports" }, "expected one port, as an endpoint is a Unix socket")
  end
end

local function check_ports(entry, i, endpoint)
  local known = {}
  for _, port in ipairs(entry.spec.ports or {}) do known[port.name] = true end
  for name in pairs(endpoint.ports) do
    if not known[name] then
      entry:refuse({ "spec", "endpoints", i, "ports", name }, "is no name of one of the ports")
    end
  end
end

local function check_endpoint(entry, i, endpoint, resolution)
  local path = { "spec", "endpoints", i, "address" }
  local host = endpoint.address
  if not (host and path_of(host)) then check_ports(entry, i, endpoint) end
  if not host then
    entry:refuse({ "spec", "endpoints", i }, "'address' is missing; expected an address")
  elseif path_of(host) and resolution == "STATIC" then
    check_unix(entry, i, endpoint)
  elseif resolution == "STATIC" and not address.is_ip(host) then
    entry:refuse(path, ("expected an IP address with resolution STATIC, got %q"):format(host))
  elseif resolution ~= "STATIC" and not address.is_ip(host) and not address.is_name(host) then
    entry:refuse(path, ("expected an IP address or a host name, got %q"):format(host))
  end
end

local function check_addresses(entry)
  local resolution = entry.spec.resolution
  for i, text in ipairs(entry.spec.addresses or {}) do
    local ip, bits = text:match("^(.*)/(%d+)$")
    if not address.is_ip(ip or text) or bits and tonumber(bits) > (ip:find(":", 1, true) and 128 or 32) then
      entry:refuse({ "spec", "addresses", i }, ("expected an IP address or a block of them, got %q"):format(text))
    elseif ip and resolution ~= "NONE" and resolution ~= "STATIC" then
      entry:refuse({ "spec", "addresses", i }, "a block stands with resolution NONE or STATIC")
    end
  end
end

local function check_selector(entry)
  local selector = entry.spec.workloadSelector
  if not selector then return end
  if #(entry.spec.endpoints or {}) > 0 then
    entry:refuse({ "spec", "workloadSelector" }, "expected one of endpoints and workloadSelector")
  end
  for name, value in pairs(selector.labels) do
    if name == "" or (name .. value):find("*", 1, true) then
      entry:refuse({ "spec", "workloadSelector", "labels", name }, "expected a label without '*'")
    end
  end
end

local function check(entry)
  local spec = entry.spec
  local list = spec.endpoints or {}
  exports.check(entry, true)
  check_hosts(entry)
  check_addresses(entry)
  check_selector(entry)
  if spec.resolution == "NONE" and #list > 0 then
    entry:refuse({ "spec", "endpoints" }, "stand without resolution NONE")
  elseif spec.resolution == "STATIC" and #list == 0 and not spec.workloadSelector then
    entry:refuse({ "spec", "endpoints" }, "resolution STATIC needs endpoints or a workloadSelector")
  elseif spec.resolution == "DNS_ROUND_ROBIN" and #list > 1 then
    entry:refuse({ "spec", "endpoints" }, "expected at most one with resolution DNS_ROUND_ROBIN")
  end
  for i, name in ipairs(spec.subjectAltNames or {}) do
    if name == "" or name:find("[%s%c]") then
      entry:refuse({ "spec", "subjectAltNames", i }, ("expected a name, got %q"):format(name))
    end
  end
  for i, endpoint in ipairs(list) do check_endpoint(entry, i, endpoint, spec.resolution) end
  local seen = {}
  for i, port in ipairs(spec.ports or {}) do
    for _, key in ipairs { port.number, port.name } do
      if seen[key] then entry:refuse({ "spec", "ports", i }, ("%s is there twice"):format(tostring(key))) end
      seen[key] = true
    end
  end
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
      local file = path_of(endpoint.address)
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
  local made = { number = port.number, name = port.name, index = i, endpoints = list or {}, unroutable = why,
    speaks_tls = SPEAKS_TLS[protocol] }
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
    check(entry)
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
