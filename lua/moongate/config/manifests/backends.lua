--- The model's services: endpoints called directly, or a service called through its own mesh listener.
local names = require "moongate.config.manifests.names"
local services = require "moongate.config.manifests.services"
local workloads = require "moongate.config.manifests.workloads"

local backends = {}
backends.__index = backends

--- @param store all objects; @param by_name services by full name; @param port_offset added to ports that we bind
-- @param backend_tls of gateway_api/backend_tls.lua; @param peers of peer_authentication.lua
function backends.new(store, by_name, port_offset, backend_tls, peers)
  return setmetatable({ store = store, by_name = by_name, port_offset = port_offset or 0, services = {},
    backend_tls = backend_tls, peers = peers }, backends)
end

--- The identity that answers on the mesh listener of a service's port, or nil: it speaks clear text.
function backends:identity_of(service, port)
  local account = service.account
  if self.peers:mode(service, port) == "DISABLE" then return nil end
  return account and workloads.identity(self.store, service.object.namespace, account)
end

--- A service's endpoints, called behind its own mesh listener: in clear text, or by TLS where a BackendTLSPolicy
-- says so (one that is not valid leaves nobody to call).
-- @param client { cert, key, name } for endpoints that ask for a certificate, or nil
-- @return name of the model's service
function backends:direct(service, port, client)
  local name = service.fqdn .. ":" .. port.number
  local tls, invalid = self.backend_tls:client(service, port, client)
  if tls and client then name = name .. " with " .. client.name end
  self.services[name] = self.services[name] or {
    endpoints = invalid and {} or port.endpoints, subsets = service.subsets, tls = tls,
    at = service.object:place { "spec", "ports", port.index }, balance = "round_robin",
    metadata = { service = service.fqdn, name = service.object.name, namespace = service.object.namespace,
      port = port.number },
  }
  return name
end

local function client_tls(service, callee, caller)
  if not callee then return nil end
  return { ca = callee.root, sni = service.fqdn, verify = callee.principal,
    cert = caller and caller.cert, key = caller and caller.key }
end

--- A service called through its mesh listener, as `caller` (an identity, or nil): its policies then see who calls.
function backends:through_mesh(service, port, caller)
  local name = ("%s:%d as %s"):format(service.fqdn, port.number,
    caller and caller.principal:gsub("^spiffe://", "") or "nobody")
  local at = service.object:place { "spec", "ports", port.index }
  self.services[name] = self.services[name] or {
    endpoints = { { address = services.join_address(service.address, port.number + self.port_offset), at = at } },
    tls = client_tls(service, self:identity_of(service, port), caller), at = at, balance = "round_robin",
    metadata = { service = service.fqdn, name = service.object.name, namespace = service.object.namespace,
      port = port.number },
  }
  return name
end

--- What a VirtualService's destination means; a mistake is refused at `path`.
-- @param from { port = of the listener, service = the one whose mesh listener it is or nil, identity = of the caller }
-- @return name of the model's service and the subset, or nil
function backends:resolve(object, path, destination, from)
  local function refuse(step, message)
    path[#path + 1] = step
    object:refuse(path, message)
    path[#path] = nil
  end
  local host = names.expand(destination.host, object.namespace)
  local service = self.by_name[host]
  if not service then return refuse("host", services.unknown(host, self.by_name)) end
  local port, why = services.port(service, destination.port and destination.port.number, from.port)
  if not port then return refuse(destination.port and "port" or "host", why) end
  local subset = destination.subset
  if subset and not service.subsets[subset] then
    return refuse("subset", services.unknown_subset(service, subset))
  end
  if service == from.service then return self:direct(service, port), subset end
  if subset then return refuse("subset", "is not supported yet at a gateway, or for another service") end
  if not service.address then return refuse("host", service.fqdn .. " has no clusterIP to call it by") end
  return self:through_mesh(service, port, from.identity)
end

return backends
