--- Listeners and routes of the ingress gateways: networking.istio.io Gateways and the VirtualServices that name them.
local binding = require "moongate.config.manifests.virtual_services.binding"
local claims = require "moongate.config.manifests.virtual_services.claims"
local gateway_pods = require "moongate.config.manifests.gateway_pods"
local gateway_servers = require "moongate.config.manifests.gateway_servers"
local gateway_tls = require "moongate.config.manifests.gateway_tls"
local names = require "moongate.config.manifests.names"
local no_route = require "moongate.config.manifests.no_route"
local services = require "moongate.config.manifests.services"
local suggest = require "moongate.suggest"
local virtual_services = require "moongate.config.manifests.virtual_services"
local workloads = require "moongate.config.manifests.workloads"

local ingress = {}

local GATEWAY = "networking.istio.io/Gateway"
local VIRTUAL_SERVICE = "networking.istio.io/VirtualService"

--- Several servers may share an address, also those of several Gateways, if they speak the same as the same.
-- @return the group, or nil when the server cannot be one of it, which is refused
local function group_of(context, groups, gateway, i, protocol, workload)
  local server = gateway.spec.servers[i]
  local address = services.join_address(server.bind or "0.0.0.0", server.port.number)
  local group = groups[address]
  local path = { "spec", "servers", i }
  if not group then
    group = { address = address, port = server.port.number, protocol = protocol, workload = workload,
      at = gateway:place(path), entries = {}, gateways = {}, pods = workload and context.pods[gateway] or {} }
    groups[address], groups[#groups + 1] = group, group
  elseif group.protocol ~= protocol then
    return gateway:refuse(path, ("%s speaks %s already, by %s"):format(address, group.protocol, group.at))
  elseif group.workload ~= workload then
    return gateway:refuse(path, ("%s is served by other pods already, by %s"):format(address, group.at))
  end
  if not workload and not group.gateways[gateway.namespace .. "/" .. gateway.name] then
    table.insert(group.pods, context.pods[gateway][1])
  end
  return group
end

local function add_tls(context, group, gateway, i)
  local path = { "spec", "servers", i, "tls" }
  local own = gateway_tls.settings(context, gateway, path, gateway.spec.servers[i].tls, group.workload)
  local all, field
  if own then all, field = gateway_tls.merge(group.tls, own) end
  if field then
    gateway:refuse(path, ("%s takes other clients already (%s), by %s; one port has one way")
      :format(group.address, field, group.at))
  end
  group.tls = all or group.tls
end

local function add_server(context, groups, gateway, i, workload)
  local server, protocol = gateway.spec.servers[i], gateway_servers.protocol(gateway, i)
  local group = protocol and group_of(context, groups, gateway, i, protocol, workload)
  if not group then return end
  if protocol == "HTTPS" then add_tls(context, group, gateway, i) end
  group.gateways[gateway.namespace .. "/" .. gateway.name] = true
  table.insert(group.entries, { gateway = gateway, hosts = gateway_servers.hosts(gateway, server),
    redirect = protocol == "HTTP" and server.tls ~= nil and server.tls.httpsRedirect,
    at = gateway:place { "spec", "servers", i, "tls", "httpsRedirect" } })
end

local function collect(context)
  local groups = {}
  context.pods = {}
  for _, gateway in ipairs(context.store:all(GATEWAY)) do
    local pods = gateway_pods.find(context, gateway)
    context.pods[gateway] = pods[1] and pods or { gateway_pods.stand_in(context, gateway) }
    gateway_servers.check(gateway)
    for i in ipairs(gateway.spec.servers) do add_server(context, groups, gateway, i, pods[1]) end
  end
  return groups
end

--- Hosts that a VirtualService and the servers of a group have in common.
-- @param redirecting true: those of servers alone that redirect
local function common_hosts(object, group, redirecting)
  local list, seen = {}, {}
  for _, entry in ipairs(group.entries) do
    local named = binding.names_gateway(object, entry.gateway.namespace, entry.gateway.name)
      and binding.is_visible(object, group.workload and group.workload.namespace or entry.gateway.namespace)
    for _, server in ipairs(named and (entry.redirect or not redirecting) and entry.hosts or {}) do
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

-- Istio opens a server's port where that Service leads it, which is what rules on ports are about.
local function guard_of(context, group)
  group.before = group.before or { gateway_pods.service_before(context, group.pods, group.port) }
  local service, port = group.before[1], group.before[2]
  if not service then return context.authorization:guard(group.pods, context.origins) end
  return context.authorization:guard_behind(service, port, context.origins, group.pods)
end

-- Whoever asks for a host of a server that redirects is sent to https, whatever other servers of the port say of it.
-- @return set of these hosts
local function add_redirects(context, group, listener)
  local hosts, list, at = {}, {}, nil
  local function add(host)
    if not hosts[host] then list[#list + 1] = host end
    hosts[host] = true
  end
  for _, entry in ipairs(group.entries) do
    for _, server in ipairs(entry.redirect and entry.hosts or {}) do
      add(server.host)
      at = at or entry.at
    end
  end
  for _, object in ipairs(at and context.store:all(VIRTUAL_SERVICE) or {}) do
    for _, host in ipairs(common_hosts(object, group, true)) do add(host) end
  end
  if not at then return hosts end
  local uses = { { name = "redirect", conf = { scheme = "https", status = 301, client_port = true }, at = at } }
  context.authorization.prepend(uses, guard_of(context, group))
  table.insert(context.draft.routes, { name = listener .. " to https", at = at, hosts = list, listeners = { listener },
    policies = uses })
  return hosts
end

local function without(hosts, set)
  local list = {}
  for _, host in ipairs(hosts) do
    if not set[host] then list[#list + 1] = host end
  end
  return list
end

-- Who calls, for the DestinationRules; pods that nobody knows are taken to stand beside the Gateway.
local function client_of(context, group)
  if group.workload then return context.backends:client(group.workload) end
  local namespace = group.entries[1].gateway.namespace
  return { namespace = namespace, key = namespace }
end

-- A request to one of the hosts `hosts` (a set) is taken by no route of another.
local function add_no_route(context, group, listener, hosts)
  local guard = guard_of(context, group)
  if not guard then return end
  local route = no_route(guard, group.at)
  route.name, route.hosts, route.listeners = listener .. " " .. route.name, suggest.keys(hosts), { listener }
  table.insert(context.draft.routes, route)
end

local function add_routes(context, group, listener)
  local identity = group.workload
    and workloads.identity(context.store, group.workload.namespace, group.workload.account)
  local from = { port = group.port, gateways = group.gateways, identity = identity, backends = context.backends,
    tls = group.tls ~= nil, labels = group.workload and group.workload.labels,
    namespace = group.workload and group.workload.namespace, claimants = {} }
  local catch_alls, taken, known, redirected = {}, {}, { ["*"] = true }, add_redirects(context, group, listener)
  local function add(route, hosts, list)
    if not route then return end
    local guard = guard_of(context, group)
    route.policies = { unpack(route.policies) }
    context.authorization.prepend(route.policies, guard)
    route.hosts, route.listeners = { unpack(hosts) }, { listener }
    for _, host in ipairs(hosts) do known[host] = true end
    table.insert(list, route)
  end
  from.client = client_of(context, group)
  for _, object in ipairs(context.store:all(VIRTUAL_SERVICE)) do
    local hosts = common_hosts(object, group)
    context.attached[object] = context.attached[object] or #hosts > 0
    if #hosts > 0 then object:attach("listener " .. listener) end
    hosts = without(hosts, redirected)
    for _, route in ipairs(#hosts > 0 and virtual_services.routes(context, object, from) or {}) do
      route.name = listener .. " " .. route.name
      local first, last = split(route)
      add(first, hosts, context.draft.routes)
      add(last, hosts, catch_alls)
      if last then virtual_services.note_catch_all(object, hosts, taken) end
    end
  end
  for _, route in ipairs(catch_alls) do table.insert(context.draft.routes, route) end
  add_no_route(context, group, listener, known)
  claims.admit(context.draft, listener, from.claimants)
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
  local mesh = context.store.mesh
  context.attached = {}
  for _, group in ipairs(collect(context)) do
    local name = "ingress " .. group.address
    table.insert(context.draft.listeners, { name = name, address = group.address, port = group.port, at = group.at,
      tls = group.tls, strict_hosts = true, trusted_hops = mesh.trusted_proxies,
      client_cert_header = mesh.client_cert_header })
    local workload = group.workload
    context.proxies[name] = { namespace = (workload or group.entries[1].gateway).namespace,
      labels = workload and workload.labels or {}, mode = "CLIENT" }
    for _, entry in ipairs(group.entries) do entry.gateway:attach("listener " .. name) end
    add_routes(context, group, name)
  end
  check_references(context)
end

return ingress
