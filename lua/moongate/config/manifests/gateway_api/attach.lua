--- attach: which sections of which groups a route attaches to, and with which hosts.
-- Rules: ParentReference, AllowedRoutes and HTTPRoute.spec.hostnames of the Gateway API.
local address = require "moongate.model.address"
local labels = require "moongate.config.manifests.gateway_api.labels"
local names = require "moongate.config.manifests.names"

local attach = {}

local GROUP = "gateway.networking.k8s.io"

local function allows_kind(section, route)
  local kinds = section.spec.allowedRoutes.kinds
  if not kinds or #kinds == 0 then return true end
  for _, entry in ipairs(kinds) do
    if entry.kind == route.kind and entry.group == route.group then return true end
  end
  return false
end

local function hosts_of(route)
  local list = {}
  for i, text in ipairs(route.spec.hostnames or {}) do
    local host, why = address.host_pattern(text)
    if not host or host == "*" or address.is_ip(host) then
      route:refuse({ "spec", "hostnames", i }, ("bad host %q; %s"):format(text, why or "expected a name"))
    else
      list[#list + 1] = host
    end
  end
  return #list > 0 and list or { "*" }
end

-- Hosts that a section and a route have in common, each once.
local function common_hosts(section, hosts)
  local list, seen = {}, {}
  for _, host in ipairs(hosts) do
    local common = names.host_intersection(section.host, host)
    if common and not seen[common] then
      seen[common] = true
      list[#list + 1] = common
    end
  end
  return list
end

-- How far a section comes: 1 it is another object's, 2 named and on the port, 3 lets the route in, 4 shares a host.
local function try_section(context, route, section, ref, hosts)
  if ref.sectionName and ref.sectionName ~= section.name or ref.port and ref.port ~= section.port then return 1 end
  local rule = section.spec.allowedRoutes.namespaces
  if not allows_kind(section, route) or not labels.allow(context.store, rule, section.object.namespace, route.namespace)
  then return 2 end
  local common = common_hosts(section, hosts)
  if #common == 0 then return 3 end
  return 4, common
end

local REASONS = {
  "has no listener of that name and port that speaks HTTP",
  "has no such listener that allows this kind of route from this namespace (allowedRoutes)",
  "has no such listener for any of its hostnames",
}

local function is_parent(context, kind, namespace, name)
  return context.store:get(GROUP .. "/" .. kind, namespace, name) ~= nil
end

local function check_kind(route, i, ref)
  if ref.group == GROUP and (ref.kind == "Gateway" or ref.kind == "ListenerSet") then return true end
  route:refuse({ "spec", "parentRefs", i, "kind" },
    ("%s of group %q is not supported yet; Gateway and ListenerSet are"):format(ref.kind, ref.group))
end

local function attach_ref(context, route, i, ref, hosts, found)
  local namespace, best = ref.namespace or route.namespace, 1
  local path = { "spec", "parentRefs", i }
  if not is_parent(context, ref.kind, namespace, ref.name) then
    return route:warn(path, ("there is no %s %s in the namespace %s; not accepted there")
      :format(ref.kind, ref.name, namespace))
  end
  for _, group in ipairs(context.groups) do
    for _, section in ipairs(group.sections) do
      local object = section.object
      if object.kind == ref.kind and object.name == ref.name and object.namespace == namespace then
        local how_far, common = try_section(context, route, section, ref, hosts)
        best = math.max(best, how_far)
        if common and not found[section] then
          found[section] = true
          table.insert(found, { group = group, section = section, hosts = common })
        end
      end
    end
  end
  if best < 4 then
    route:warn(path, ("%s %s/%s %s; not accepted there"):format(ref.kind, namespace, ref.name, REASONS[best]))
  end
end

--- @param context { store, groups = of listeners.groups() }
-- @return array of { group =, section =, hosts = array of patterns }; why it is shorter than the route's author may
-- think is said in warnings
function attach.places(context, route)
  local hosts, found = hosts_of(route), {}
  for i, ref in ipairs(route.spec.parentRefs) do
    if check_kind(route, i, ref) then attach_ref(context, route, i, ref, hosts, found) end
  end
  if #route.spec.parentRefs == 0 then route:warn({ "spec" }, "has no parentRefs, so it serves nothing") end
  return found
end

return attach
