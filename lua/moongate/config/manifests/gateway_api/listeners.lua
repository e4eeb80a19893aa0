--- listeners: what Gateways and their ListenerSets listen on, one group for each port of a Gateway.
-- A group's sections are the listeners that share its port, told apart by host: the most specific host pattern that
-- takes a request hides the routes of the others (Gateway.spec.listeners, "listener isolation").
local address = require "moongate.model.address"
local grants = require "moongate.config.manifests.gateway_api.grants"
local labels = require "moongate.config.manifests.gateway_api.labels"
local services = require "moongate.config.manifests.services"
local workloads = require "moongate.config.manifests.workloads"

local listeners = {}

local GROUP = "gateway.networking.k8s.io"
local GATEWAY, LISTENER_SET, CLASS = GROUP .. "/Gateway", GROUP .. "/ListenerSet", GROUP .. "/GatewayClass"
local WAYPOINT = { ["istio-mesh"] = true, ["istio-waypoint"] = true }
local SERVED = { HTTP = true, HTTPS = true }

--- Whether a Gateway is one that takes requests from outside, not a waypoint.
function listeners.is_served(store, gateway)
  local class = gateway.spec.gatewayClassName
  if WAYPOINT[class] then return false end
  return class == "istio" or class == "moongate" or store:get(CLASS, nil, class) ~= nil
end

-- ---- certificates -------------------------------------------------------------------------

local function certificate(context, section, i, ref)
  local object, path = section.object, { unpack(section.path) }
  for _, step in ipairs { "tls", "certificateRefs", i } do path[#path + 1] = step end
  if ref.group ~= "" or ref.kind ~= "Secret" then
    return object:warn(path, ("%s of group %q is no Secret; not used"):format(ref.kind, ref.group))
  end
  local namespace = ref.namespace or object.namespace
  if not grants.allow(context.store, object, "Secret", namespace, ref.name) then
    return object:warn(path, ("no ReferenceGrant lets it use the Secret %s of the namespace %s; not used")
      :format(ref.name, namespace))
  end
  local secret = context.store:get("/Secret", namespace, ref.name)
  if not secret then
    return object:warn(path, ("there is no Secret %s in the namespace %s"):format(ref.name, namespace))
  end
  local values = workloads.secret_values(secret, "kubernetes.io/tls", { cert = "tls.crt", key = "tls.key" })
  if values then values.name = secret:place() end
  return values
end

-- Certificates of an HTTPS section; nil when it has none that can be used, so that nobody can connect to it.
local function certificates(context, section)
  local tls, list = section.spec.tls, {}
  if not tls then return section.object:refuse(section.path, "HTTPS needs tls") end
  if tls.mode ~= "Terminate" then
    return section.object:refuse(section.path, "HTTPS needs tls.mode Terminate")
  end
  for i, ref in ipairs(tls.certificateRefs or {}) do list[#list + 1] = certificate(context, section, i, ref) end
  if #list > 0 then return list end
  section.object:warn(section.path, "has no certificate that can be used, so it is not served")
end

-- ---- sections -----------------------------------------------------------------------------

local function section_of(object, i, spec)
  local host, path = "*", { "spec", "listeners", i }
  if spec.hostname then
    local why
    host, why = address.host_pattern(spec.hostname)
    if not host or address.is_ip(host) then
      path[4] = "hostname"
      return object:refuse(path, ("bad host %q; %s"):format(spec.hostname, why or "expected no IP address"))
    end
  end
  if spec.protocol == "HTTP" and spec.tls then return object:refuse(path, "tls stands with HTTPS, not with HTTP") end
  return { object = object, path = path, spec = spec, host = host, port = spec.port, name = spec.name, served = true }
end

local function add_sections(list, object)
  local names = {}
  for i, spec in ipairs(object.spec.listeners) do
    if names[spec.name] then
      object:refuse({ "spec", "listeners", i, "name" }, ("a second listener named %s"):format(spec.name))
    elseif not SERVED[spec.protocol] then
      object:warn({ "spec", "listeners", i, "protocol" }, spec.protocol .. " is not supported, so it is not served")
    else
      list[#list + 1] = section_of(object, i, spec)
    end
    names[spec.name] = true
  end
end

local function sets_of(context, gateway)
  local list = {}
  for _, set in ipairs(context.store:all(LISTENER_SET)) do
    local ref = set.spec.parentRef
    if ref.kind == "Gateway" and ref.group == GROUP and ref.name == gateway.name
      and (ref.namespace or set.namespace) == gateway.namespace then
      set.parent = gateway
      if labels.allow(context.store, gateway.spec.allowedListeners.namespaces, gateway.namespace, set.namespace) then
        list[#list + 1] = set
      else
        set:warn({ "spec", "parentRef" }, ("Gateway %s/%s allows no listeners from this namespace (allowedListeners); "
          .. "not served"):format(gateway.namespace, gateway.name))
      end
    end
  end
  return list
end

-- Of two that cannot be told apart, neither is served; but what a Gateway says goes before its ListenerSets, and an
-- older set before a younger one.
local function settle_conflict(a, b, why)
  b.object:warn(b.path, ("%s as listener %s of %s; not served"):format(why, a.name, a.object:place(a.path)))
  b.served = false
  if a.object == b.object then
    a.object:warn(a.path, ("%s as listener %s of %s; not served"):format(why, b.name, b.object:place(b.path)))
    a.conflicted = true
  end
end

local function add_to_group(group, section)
  for _, other in ipairs(group.sections) do
    if other.spec.protocol ~= section.spec.protocol then
      settle_conflict(other, section, "same port with another protocol")
    elseif other.host == section.host then
      settle_conflict(other, section, "same port and host")
    end
  end
  if section.served then table.insert(group.sections, section) end
end

-- ---- groups -------------------------------------------------------------------------------

local function addresses_of(gateway)
  local list = {}
  for i, entry in ipairs(gateway.spec.addresses or {}) do
    if entry.value ~= "" and not address.is_ip(entry.value) then
      gateway:refuse({ "spec", "addresses", i, "value" }, ("expected an IP address, got %q"):format(entry.value))
    else
      list[#list + 1] = entry.value ~= "" and entry.value or "0.0.0.0"
    end
  end
  return #list > 0 and list or { "0.0.0.0" }
end

local function finish_group(context, group)
  local list, certs, seen = {}, {}, {}
  for _, section in ipairs(group.sections) do
    local own = section.spec.protocol == "HTTPS" and not section.conflicted and certificates(context, section)
    local served = not section.conflicted and own ~= nil
    for _, cert in ipairs(own or {}) do
      if not seen[cert.name] then certs[#certs + 1] = cert end
      seen[cert.name] = true
    end
    section.served = served
    if served or not section.conflicted then list[#list + 1] = section end
    group.served = group.served or served
    group.https = section.spec.protocol == "HTTPS"
  end
  group.sections, group.certs = list, certs
  for _, at in ipairs(group.served and addresses_of(group.gateway) or {}) do
    local full = services.join_address(at, group.port)
    table.insert(group.listeners, ("%s/%s %s"):format(group.gateway.namespace, group.gateway.name, full))
    table.insert(group.addresses, full)
  end
end

local function groups_of(context, gateway, groups)
  local sections, by_port = {}, {}
  add_sections(sections, gateway)
  for _, set in ipairs(sets_of(context, gateway)) do add_sections(sections, set) end
  for _, section in ipairs(sections) do
    local group = by_port[section.port]
    if not group then
      group = { gateway = gateway, port = section.port, sections = {}, listeners = {}, addresses = {} }
      by_port[section.port], groups[#groups + 1] = group, group
    end
    add_to_group(group, section)
  end
  for _, group in pairs(by_port) do finish_group(context, group) end
end

--- Groups of every served Gateway, in order of appearance: { gateway, port, https, certs, listeners = names and
-- addresses = of the model's listeners, sections = { { object (Gateway or ListenerSet), name, port, host, served } } }.
function listeners.groups(context)
  local groups = {}
  for _, gateway in ipairs(context.store:all(GATEWAY)) do
    if listeners.is_served(context.store, gateway) then groups_of(context, gateway, groups) end
  end
  for _, set in ipairs(context.store:all(LISTENER_SET)) do
    if not set.parent then
      local ref = set.spec.parentRef
      set:warn({ "spec", "parentRef" }, ("there is no Gateway %s in the namespace %s that could serve it")
        :format(ref.name, ref.namespace or set.namespace))
    end
  end
  return groups
end

return listeners
