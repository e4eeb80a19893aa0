--- listeners: what Gateways and their ListenerSets listen on, one group for each port of a Gateway.
-- A group's sections are the listeners that share its port, told apart by host: the most specific host pattern that
-- takes a request hides the routes of the others (Gateway.spec.listeners, "listener isolation").
local age = require "moongate.config.manifests.gateway_api.age"
local conditions = require "moongate.config.manifests.gateway_api.conditions"
local frontend = require "moongate.config.manifests.gateway_api.frontend"
local gateways = require "moongate.config.manifests.gateway_api.gateways"
local labels = require "moongate.config.manifests.gateway_api.labels"
local names = require "moongate.config.manifests.names"
local sections = require "moongate.config.manifests.gateway_api.sections"
local services = require "moongate.config.manifests.services"

local listeners = {}

local GROUP = "gateway.networking.k8s.io"
local GATEWAY, LISTENER_SET = GROUP .. "/Gateway", GROUP .. "/ListenerSet"

-- ---- sections -----------------------------------------------------------------------------

local function add_sections(context, list, object)
  local taken = {}
  object.sections = {}
  for i, spec in ipairs(object.spec.listeners) do
    if taken[spec.name] then
      object:refuse({ "spec", "listeners", i, "name" }, ("a second listener named %s"):format(spec.name))
    else
      local section = sections.new(context, object, i)
      table.insert(object.sections, section)
      list[#list + 1] = section
    end
    taken[spec.name] = true
  end
end

-- A waypoint of the old form has none.
local function expect_listeners(object)
  if #object.spec.listeners == 0 then object:refuse({ "spec", "listeners" }, "expected at least one listener") end
end

local function is_parent(ref, set, gateway)
  return ref.kind == "Gateway" and ref.group == GROUP and ref.name == gateway.name
    and (ref.namespace or set.namespace) == gateway.namespace
end

local function reject_set(set, reason, message)
  set.conditions:fail("Accepted", reason, message)
  set.conditions:fail("Programmed", reason, message)
  set:warn({ "spec", "parentRef" }, message)
end

-- The ListenerSets that may add to a Gateway, the older first.
local function sets_of(context, gateway)
  local list, rule = {}, gateway.spec.allowedListeners.namespaces
  for _, set in ipairs(context.listener_sets) do
    if is_parent(set.spec.parentRef, set, gateway) then
      set.parent = gateway
      if not gateway.conditions:holds "Accepted" then
        reject_set(set, "ParentNotAccepted", ("Gateway %s/%s is not accepted"):format(gateway.namespace, gateway.name))
      elseif labels.allow(context.store, rule, gateway.namespace, set.namespace) then
        list[#list + 1] = set
      else
        reject_set(set, "NotAllowed", ("Gateway %s/%s allows no listeners from this namespace (allowedListeners); "
          .. "not served"):format(gateway.namespace, gateway.name))
      end
    end
  end
  return list
end

-- ---- conflicts ----------------------------------------------------------------------------

local function mark_conflict(section, reason, other)
  local why = reason == "ProtocolConflict" and "same port with another protocol" or "same port and host"
  local message = ("%s as listener %s of %s; not served"):format(why, other.name, other.object:place(other.path))
  section.conditions:set("Conflicted", true, reason, message)
  section.conditions:fail("Programmed", reason, message)
  sections.fail(section, "Accepted", reason, message)
end

-- Of two that cannot be told apart, neither is served; but what a Gateway says goes before its ListenerSets, and an
-- older set before a younger one.
local function settle_conflict(first, second, reason)
  mark_conflict(second, reason, first)
  if first.object == second.object and reason == "HostnameConflict" then
    second.object:refuse(second.path, ("has the port, protocol and hostname of listener %s"):format(first.name))
  end
  if first.object == second.object and sections.is_supported(second) then mark_conflict(first, reason, second) end
end

local ENDS_TLS = { HTTPS = true, TLS = true }

-- "ProtocolConflict", "HostnameConflict" or nil. HTTPS and TLS may share a port, and UDP shares none with the others.
local function conflict_of(a, b)
  local pa, pb = a.spec.protocol, b.spec.protocol
  if (pa == "UDP") ~= (pb == "UDP") then return nil end
  if pa ~= pb then return not (ENDS_TLS[pa] and ENDS_TLS[pb]) and "ProtocolConflict" or nil end
  return a.host == b.host and "HostnameConflict" or nil
end

-- What nobody here speaks stands in nobody's way, and is in conflict only beside what another object served first.
local function add_to_group(group, section)
  for _, other in ipairs(group.sections) do
    local reason = conflict_of(other, section)
    if reason and (sections.is_supported(section) or other.object ~= section.object) then
      settle_conflict(other, section, reason)
    end
  end
  local conflicted = section.conditions:holds "Conflicted"
  if not sections.is_supported(section) then
    if not conflicted then sections.refuse_protocol(section) end
  elseif not conflicted or section.object == group.gateway then
    table.insert(group.sections, section)
  end
end

-- ---- groups -------------------------------------------------------------------------------

-- An address and port that a Gateway before it has already; the model's check refuses the second listener, too.
local function note_taken(context, group, full)
  local other = context.bound[full]
  if not other then
    context.bound[full] = group.gateway
  elseif other ~= group.gateway then
    local message = ("%s is taken by Gateway %s/%s"):format(full, other.namespace, other.name)
    group.gateway.conditions:fail("Programmed", "AddressNotUsable", message)
    for _, section in ipairs(group.sections) do section.conditions:fail("Programmed", "Pending", message) end
  end
end

-- Clients that reuse a connection for another host of its certificate may come to the wrong section: for the status
-- alone (ListenerConditionOverlappingTLSConfig); the policy `misdirected` sends them away.
local function note_overlaps(list)
  for i, a in ipairs(list) do
    for j, b in ipairs(list) do
      if i ~= j and names.host_intersection(a.host, b.host) then
        a.conditions:set("OverlappingTLSConfig", true, "OverlappingHostnames",
          ("shares hosts with listener %s of %s"):format(b.name, b.object:place(b.path)))
        break
      end
    end
  end
end

local function finish_group(context, group)
  local list, certs, seen = {}, {}, {}
  -- What lacks a certificate still has its hosts; nobody else's routes answer for them.
  for _, section in ipairs(group.sections) do
    if not section.conditions:holds "Conflicted" then list[#list + 1] = section end
  end
  group.https = list[1] and list[1].spec.protocol == "HTTPS"
  if group.https then
    group.client = frontend.of_port(context, group.gateway, group.port, list)
    note_overlaps(list)
  end
  for _, section in ipairs(list) do
    section.served = sections.is_served(section)
    for _, cert in ipairs(section.served and section.certs or {}) do
      if not seen[cert.name] then certs[#certs + 1] = cert end
      seen[cert.name] = true
    end
    group.served = group.served or section.served
  end
  group.sections, group.certs = list, certs
  for _, at in ipairs(group.served and group.gateway.addresses or {}) do
    local full = services.join_address(at, group.port)
    table.insert(group.listeners, ("%s/%s %s"):format(group.gateway.namespace, group.gateway.name, full))
    table.insert(group.addresses, full)
    note_taken(context, group, full)
  end
end

local function groups_of(context, gateway, groups)
  local list, by_port = {}, {}
  gateways.judge(context, gateway)
  expect_listeners(gateway)
  add_sections(context, list, gateway)
  local sets = sets_of(context, gateway)
  for _, set in ipairs(sets) do add_sections(context, list, set) end
  if not gateway.conditions:holds "Accepted" then return gateways.finish(gateway, {}) end
  local first = #groups + 1
  for _, section in ipairs(list) do
    local group = by_port[section.port]
    if not group then
      group = { gateway = gateway, port = section.port, sections = {}, listeners = {}, addresses = {} }
      by_port[section.port], groups[#groups + 1] = group, group
    end
    section.group = group
    add_to_group(group, section)
  end
  for i = first, #groups do finish_group(context, groups[i]) end
  gateways.finish(gateway, sets)
end

--- Groups of every served Gateway, in order of appearance: { gateway, port, https, certs, client = of
-- frontend.of_port(), listeners = names and addresses = of the model's listeners, sections = those of sections.new()
-- that share the port }.
-- Gateways and ListenerSets get `conditions` and `sections`, what their status says.
function listeners.groups(context)
  local groups = {}
  context.bound = {} -- Gateway by address and port
  context.listener_sets = age.sorted(context.store:all(LISTENER_SET))
  for _, set in ipairs(context.listener_sets) do
    set.conditions = conditions.new { "Accepted", "Programmed" }
    expect_listeners(set)
  end
  for _, gateway in ipairs(context.store:all(GATEWAY)) do
    if gateways.is_served(context.store, gateway) then groups_of(context, gateway, groups) end
  end
  for _, set in ipairs(context.listener_sets) do
    if not set.parent then
      local ref = set.spec.parentRef
      reject_set(set, "Invalid", ("there is no Gateway %s in the namespace %s that could serve it")
        :format(ref.name, ref.namespace or set.namespace))
    end
  end
  return groups
end

return listeners
