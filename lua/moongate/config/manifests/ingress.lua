--- Listeners and routes of the ingress gateways: networking.istio.io Gateways and the VirtualServices that name them.
local binding = require "moongate.config.manifests.virtual_services.binding"
local names = require "moongate.config.manifests.names"
local services = require "moongate.config.manifests.services"
local suggest = require "moongate.suggest"
local virtual_services = require "moongate.config.manifests.virtual_services"
local workloads = require "moongate.config.manifests.workloads"

local ingress = {}

local GATEWAY = "networking.istio.io/Gateway"
local VIRTUAL_SERVICE = "networking.istio.io/VirtualService"
local MIN_VERSION = { TLS_AUTO = "1.2", TLSV1_2 = "1.2", TLSV1_3 = "1.3" }

--- The workloads that a Gateway's selector picks, in any namespace.
local function pods_of(context, gateway)
  local selector = gateway.spec.selector
  local found = next(selector) and workloads.select(context.workloads, selector) or {}
  if #found == 0 then
    gateway:warn({ "spec", "selector" }, "no Deployment's pods carry these labels, so its calls have no identity")
  end
  for _, pod in ipairs(found) do pod.object:attach(("Gateway %s/%s"):format(gateway.namespace, gateway.name)) end
  return found
end

local function certificate_of(context, gateway, path, tls, workload)
  local namespace = workload and workload.namespace or gateway.namespace
  local secret = context.store:get("/Secret", namespace, tls.credentialName)
  if not secret then
    path[#path + 1] = "credentialName"
    return gateway:refuse(path, ("there is no Secret %s in the namespace %s"):format(tls.credentialName, namespace))
  end
  local values = workloads.secret_values(secret, "kubernetes.io/tls", { cert = "tls.crt", key = "tls.key" })
  if values then values.name = secret:place() end
  return values
end

local function add_certificate(context, gateway, path, server, group)
  local tls = server.tls
  local https = server.port.protocol == "HTTPS"
  if https ~= (tls ~= nil) then
    return gateway:refuse(path, https and "HTTPS needs tls" or "tls stands with HTTPS only")
  end
  if not tls then return end
  path[#path + 1] = "tls"
  local cert = certificate_of(context, gateway, path, tls, group.workload)
  group.tls = group.tls or { certs = {}, min_version = MIN_VERSION[tls.minProtocolVersion], tickets = true }
  if cert then table.insert(group.tls.certs, cert) end
end

--- Hosts of a server: { namespace = nil for any, host = }. "./host" is the Gateway's own namespace.
local function server_hosts(gateway, server)
  local list = {}
  for i, text in ipairs(server.hosts) do
    local namespace, host = text:match("^([^/]*)/(.*)$")
    if namespace == "." then namespace = gateway.namespace end
    if namespace == "*" then namespace = nil end
    list[i] = { namespace = namespace, host = (host or text):lower() }
  end
  return list
end

--- Several servers may share an address, also those of several Gateways, if they speak the same as the same.
local function group_of(context, groups, gateway, i, server, workload)
  local address = services.join_address(server.bind or "0.0.0.0", server.port.number)
  local group = groups[address]
  local path = { "spec", "servers", i }
  if not group then
    group = { address = address, port = server.port.number, protocol = server.port.protocol, workload = workload,
      at = gateway:place(path), entries = {}, gateways = {}, pods = workload and context.pods[gateway] or {} }
    groups[address], groups[#groups + 1] = group, group
  elseif group.protocol ~= server.port.protocol then
    gateway:refuse(path, ("%s speaks %s already, by %s"):format(address, group.protocol, group.at))
  elseif group.workload ~= workload then
    gateway:refuse(path, ("%s is served by other pods already, by %s"):format(address, group.at))
  end
  return group
end

local function collect(context)
  local groups = {}
  context.pods = {}
  for _, gateway in ipairs(context.store:all(GATEWAY)) do
    local pods = pods_of(context, gateway)
    context.pods[gateway] = pods
    for i, server in ipairs(gateway.spec.servers) do
      local group = group_of(context, groups, gateway, i, server, pods[1])
      add_certificate(context, gateway, { "spec", "servers", i }, server, group)
      group.gateways[gateway.namespace .. "/" .. gateway.name] = true
      table.insert(group.entries, { gateway = gateway, hosts = server_hosts(gateway, server) })
    end
  end
  return groups
end

--- Hosts that a VirtualService and the servers of a group have in common.
local function common_hosts(object, group)
  local list, seen = {}, {}
  for _, entry in ipairs(group.entries) do
    local named = binding.names_gateway(object, entry.gateway.namespace, entry.gateway.name)
      and binding.is_visible(object, group.workload and group.workload.namespace or entry.gateway.namespace)
    for _, server in ipairs(named and entry.hosts or {}) do
      for _, host in ipairs(object.spec.hosts or {}) do
        local common = (not server.namespace or server.namespace == object.namespace)
          and names.host_intersection(server.host, host:lower())
        if common and not seen[common] then
          seen[common] = true
          list[#list + 1] = common
        end
      end
    end
  end
  return list
end

--- A route whose matches are in part catch-alls, as two: the catch-all goes behind everything else of its host.
local function split(route)
  local rest, last = {}, {}
  for _, match in ipairs(route.matches or { {} }) do
    table.insert(virtual_services.is_catch_all(match) and last or rest, match)
  end
  if #rest == 0 then return nil, route end
  if #last == 0 then return route end
  local copy = {}
  for key, value in pairs(route) do copy[key] = value end
  route.matches, copy.matches = rest, nil
  return route, copy
end

local function add_routes(context, group, listener)
  local identity = group.workload
    and workloads.identity(context.store, group.workload.namespace, group.workload.account)
  local from = { port = group.port, gateways = group.gateways, identity = identity, backends = context.backends,
    tls = group.tls ~= nil, labels = group.workload and group.workload.labels,
    namespace = group.workload and group.workload.namespace }
  local catch_alls, taken = {}, {}
  local function add(route, hosts, list)
    if not route then return end
    local guard = context.authorization:guard(group.pods, context.origins)
    route.policies = { unpack(route.policies) }
    context.authorization.prepend(route.policies, guard)
    route.hosts, route.listeners = { unpack(hosts) }, { listener }
    table.insert(list, route)
  end
  for _, object in ipairs(context.store:all(VIRTUAL_SERVICE)) do
    local hosts = common_hosts(object, group)
    context.attached[object] = context.attached[object] or #hosts > 0
    if #hosts > 0 then object:attach("listener " .. listener) end
    for _, route in ipairs(#hosts > 0 and virtual_services.routes(context, object, from) or {}) do
      route.name = listener .. " " .. route.name
      local first, last = split(route)
      add(first, hosts, context.draft.routes)
      add(last, hosts, catch_alls)
      if last then virtual_services.note_catch_all(object, hosts, taken) end
    end
  end
  for _, route in ipairs(catch_alls) do table.insert(context.draft.routes, route) end
end

--- Refuses gateways that do not exist, and names VirtualServices whose hosts no server serves.
local function check_references(context)
  virtual_services.check(context)
  for _, object in ipairs(context.store:all(VIRTUAL_SERVICE)) do
    local elsewhere = false
    for i, text in ipairs(object.spec.gateways or {}) do
      local namespace, name = names.reference(binding.gateway(text, object.namespace))
      if text == "mesh" then
        elsewhere = true
      elseif not context.store:get(GATEWAY, namespace, name) then
        local known = {}
        for _, gateway in ipairs(context.store:all(GATEWAY)) do known[gateway.name] = true end
        object:refuse({ "spec", "gateways", i }, ("there is no Gateway %s in the namespace %s%s")
          :format(name, namespace, suggest.hint(name, suggest.keys(known))))
        elsewhere = true
      end
    end
    if #(object.spec.gateways or {}) > 0 and not elsewhere and not context.attached[object] then
      object:warn({ "spec", "hosts" }, "no server of its gateways serves any of these hosts")
    end
  end
end

--- Adds listeners, routes and services of the ingress gateways to the draft.
-- @param context as for mesh.add(), and { workloads }
function ingress.add(context)
  context.attached = {}
  for _, group in ipairs(collect(context)) do
    local name = "ingress " .. group.address
    table.insert(context.draft.listeners, { name = name, address = group.address, port = group.port, at = group.at,
      tls = group.tls, strict_hosts = true })
    for _, entry in ipairs(group.entries) do entry.gateway:attach("listener " .. name) end
    add_routes(context, group, name)
  end
  check_references(context)
end

return ingress
