--- The model's services: endpoints called directly, or a service called through its own mesh listener.
local names = require "moongate.config.manifests.names"
local service_entries = require "moongate.config.manifests.service_entries"
local services = require "moongate.config.manifests.services"
local subset_hops = require "moongate.config.manifests.subset_hops"
local workloads = require "moongate.config.manifests.workloads"

local backends = {}
backends.__index = backends

--- @param store all objects; @param by_name services by full name; @param port_offset added to ports that we bind
-- @param backend_tls of gateway_api/backend_tls.lua; @param peers of peer_authentication.lua
-- Before the first call, `rules` is to be set (of destination_rules.new()), and `guard`, a function(service, port,
-- listener_port) that gives the uses of policies that guard it.
function backends.new(store, by_name, port_offset, backend_tls, peers)
  return setmetatable({ store = store, by_name = by_name, port_offset = port_offset or 0, services = {}, known = {},
    hops = {}, backend_tls = backend_tls, peers = peers }, backends)
end

--- The identity that answers on the mesh listener of a service's port, or nil: it speaks clear text.
function backends:identity_of(service, port)
  local account = service.account
  if self.peers:mode(service, port) == "DISABLE" then return nil end
  return account and workloads.identity(self.store, service.object.namespace, account)
end

--- Who calls from a workload (a gateway's), as direct() and the DestinationRules want to know it.
function backends:client(workload)
  return { namespace = workload.namespace, labels = workload.labels, key = workload.namespace .. "/" .. workload.name,
    identity = workloads.identity(self.store, workload.namespace, workload.account) }
end

local function metadata_of(service, port)
  return { service = service.fqdn, name = service.is_entry and service.fqdn or service.object.name,
    namespace = service.object.namespace, port = port.number }
end

-- Which endpoints of `list` a service of the model has, and in which order of importance; see finish().
local function selection(list, labels, priority)
  return { list = list, labels = labels, priority = priority }
end

-- How `service` is called: a service of the model, without its endpoints.
local function describe(self, service, port, pair, subset, client)
  local in_mesh = client == nil and service.address ~= nil and (self:identity_of(service, port) and "tls" or "clear")
  local settings = self.rules:settings(service, port, subset, client, in_mesh)
  local tls, invalid = self.backend_tls:client(service, port, pair)
  local own = settings.own and subset
  service.object:use()
  local all = self.rules:of(service, client)
  if port.speaks_tls and not tls and not settings.tls and not invalid then
    service.object:warn({ "spec", "ports", port.index }, ("speaks TLS, and is called in clear text: no DestinationRule "
      .. "of %s says how"):format(service.fqdn))
  end
  return { subsets = own and { [subset] = all.subsets[subset] } or all.subsets, tls = tls or settings.tls,
    at = service.object:place { "spec", "ports", port.index }, balance = settings.balance, pool = settings.pool,
    circuit_breaker = settings.circuit_breaker, outlier_detection = settings.outlier_detection,
    proxy_protocol = settings.proxy_protocol,
    metadata = metadata_of(service, port), selection = selection(invalid and {} or port.endpoints,
      own and all.subsets[subset] or nil, settings.priority) }, own
end

--- A service's endpoints, called as its BackendTLSPolicy and DestinationRules say; a BackendTLSPolicy that is not
-- valid leaves nobody to call.
-- @param pair { cert, key, name } for endpoints that ask for a certificate as a BackendTLSPolicy has it, or nil
-- @param subset name or nil
-- @param client of client(), or nil: the call has come through the service's own mesh listener
-- @return name of the model's service, and the subset
function backends:direct(service, port, pair, subset, client)
  local name = service.fqdn .. ":" .. port.number
  if service.is_entry and service.entries == nil then name = service.object.namespace .. "/" .. name end
  if client and #self.rules:of(service, client).rules > 0 then name = name .. " from " .. client.key end
  if pair and self.backend_tls:of(service, port) then name = name .. " with " .. pair.name end
  local key = name .. "|" .. (subset or "")
  if not self.known[key] then
    local made, own = describe(self, service, port, pair, subset, client)
    local own_name = own and name .. "|" .. subset or name
    self.services[own_name] = self.services[own_name] or made
    self.known[key] = own_name
  end
  return self.known[key], subset
end

local function client_tls(service, callee, caller)
  if not callee then return nil end
  return { ca = callee.root, sni = service.fqdn, verify = callee.principal,
    cert = caller and caller.cert, key = caller and caller.key }
end

--- A service called through its mesh listener, as `caller` (an identity, or nil): its policies then see who calls.
function backends:through_mesh(service, port, caller)
  local clear = self.rules:disables_tls(service, port)
  local name = ("%s:%d as %s"):format(service.fqdn, port.number,
    caller and not clear and caller.principal:gsub("^spiffe://", "") or "nobody")
  local at = service.object:place { "spec", "ports", port.index }
  self.services[name] = self.services[name] or {
    endpoints = { { address = services.join_address(service.address, port.number + self.port_offset), at = at } },
    tls = not clear and client_tls(service, self:identity_of(service, port), caller) or nil, at = at,
    balance = "round_robin", metadata = metadata_of(service, port),
  }
  return name
end

local function has_labels(endpoint, labels)
  return names.selects(labels or {}, endpoint.labels)
end

--- Gives each service of the model endpoints of its own, once all that is known of them has been noted.
function backends:finish()
  for _, service in pairs(self.services) do
    local from = service.selection
    if from then
      service.selection, service.endpoints = nil, {}
      for _, endpoint in ipairs(from.list) do
        if has_labels(endpoint, from.labels) then
          local copy = {}
          for name, value in pairs(endpoint) do copy[name] = value end
          copy.priority = from.priority and from.priority(endpoint) or nil
          table.insert(service.endpoints, copy)
        end
      end
    end
  end
end

--- The uses of policies that a call through a service's listener needs, with `harmless` set; or nil.
function backends:on_the_way(service, subset)
  return subset_hops.uses(self.hops, service, subset)
end

--- What a VirtualService's destination means; a mistake is refused at `path`.
-- @param from { port = of the listener, service = the one whose mesh listener it is or nil, identity and client = of
-- the caller }
-- @return name of the model's service, the subset or nil, and the uses of policies that a call needs (those that guard
-- the service, unless they are `harmless`) or nil; or nil
function backends:resolve(object, path, destination, from)
  local function refuse(step, message)
    path[#path + 1] = step
    object:refuse(path, message)
    path[#path] = nil
  end
  local host = names.expand(destination.host, object.namespace)
  local service = service_entries.find(self.by_name, host, object.namespace)
  if not service then return refuse("host", services.unknown(host, self.by_name)) end
  local port, why = services.port(service, destination.port and destination.port.number, from.port)
  if not port then return refuse(destination.port and "port" or "host", why) end
  if port.unroutable then return refuse("host", ("%s cannot be called: %s"):format(host, port.unroutable)) end
  local subset, inside = destination.subset, service == from.service
  local hops = service.address ~= nil and (not subset or self.hops[service] ~= nil)
  local client = not inside and not hops and from.client or nil
  local subsets = self.rules:of(service, client).subsets
  if subset and not subsets[subset] then
    return refuse("subset", services.unknown_subset(service, subset, subsets))
  end
  if inside then return self:direct(service, port, nil, subset) end
  if hops then return self:through_mesh(service, port, from.identity), nil, self:on_the_way(service, subset) end
  local name = self:direct(service, port, nil, subset, client)
  return name, subset, self.guard(service, port, from.port)
end

return backends
