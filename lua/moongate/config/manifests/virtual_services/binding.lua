--- binding: where a VirtualService counts: which gateways it names, who sees it, whose hosts are its.
-- Rules: VirtualService.hosts, gateways and exportTo (networking.istio.io).
local exports = require "moongate.config.manifests.exports"
local names = require "moongate.config.manifests.names"

local binding = {}

local MESH = "mesh"

--- A gateway as a VirtualService names it, as "namespace/name": "ns/name", "./name", "name", or the old
-- "name.ns.svc.cluster.local".
function binding.gateway(text, namespace)
  if text:find("/", 1, true) then
    local ns, name = names.reference(text, namespace)
    return (ns == "." and namespace or ns) .. "/" .. name
  end
  local name, rest = text:match("^([^.]+)%.(.+)$")
  if name then return (rest:gsub("%.svc%..*$", "")) .. "/" .. name end
  return namespace .. "/" .. text
end

--- Whether the spec of a VirtualService is one that others delegate to: it has no hosts.
function binding.is_delegate(object)
  return #(object.spec.hosts or {}) == 0
end

--- Whether a VirtualService counts in the mesh.
function binding.is_for_mesh(object)
  local gateways = object.spec.gateways or {}
  for _, text in ipairs(gateways) do
    if text == MESH then return true end
  end
  return #gateways == 0 and not binding.is_delegate(object)
end

--- Whether a VirtualService names a gateway.
function binding.names_gateway(object, namespace, name)
  for _, text in ipairs(object.spec.gateways or {}) do
    if text ~= MESH and binding.gateway(text, object.namespace) == namespace .. "/" .. name then return true end
  end
  return false
end

--- Whether proxies of a namespace see an object.
binding.is_visible = exports.is_visible

--- Whether a host of a VirtualService means a service.
function binding.has_host(object, service)
  for _, host in ipairs(object.spec.hosts or {}) do
    if names.host_matches(names.expand(host, object.namespace), service.fqdn) then return true end
  end
  return false
end

local function check_hosts(object)
  local hosts = object.spec.hosts or {}
  for i, host in ipairs(hosts) do
    host = host:lower()
    if host == "*" and binding.is_for_mesh(object) then
      object:refuse({ "spec", "hosts", i }, "* cannot stand in the mesh, which gateways that are not named means")
    end
    if host:find("*", 2, true) or host:sub(1, 1) == "*" and host ~= "*" and host:sub(2, 2) ~= "." or host == "" then
      object:refuse({ "spec", "hosts", i }, ("expected a name, or one that begins with \"*.\", found %q"):format(host))
    end
    for j = 1, i - 1 do
      local other = hosts[j]:lower()
      if names.host_matches(other, host) or names.host_matches(host, other) then
        object:refuse({ "spec", "hosts", i }, ("means hosts that %s means too"):format(hosts[j]))
      end
    end
  end
end

local function check_sections(object)
  for _, field in ipairs { "tls", "tcp" } do
    if object.spec[field] and #object.spec[field] > 0 then
      object:warn({ "spec", field }, "needs connections to be passed on as they are, which is not served: these routes "
        .. "take nothing")
    end
  end
  if #(object.spec.http or {}) == 0 and not object.spec.tls and not object.spec.tcp then
    object:refuse({ "spec" }, "expected http, tls or tcp")
  end
end

local function check_delegate(object)
  for _, field in ipairs { "gateways", "tls", "tcp" } do
    if object.spec[field] and #object.spec[field] > 0 then
      object:refuse({ "spec", field }, "cannot stand without hosts, in what others delegate to")
    end
  end
end

--- Refuses what no VirtualService may say of itself as a whole, and warns of what is not served.
function binding.check(object)
  check_hosts(object)
  exports.check(object)
  check_sections(object)
  if binding.is_delegate(object) then check_delegate(object) end
end

return binding
