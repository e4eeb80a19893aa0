--- What PeerAuthentications say of a service's ports: TLS, clear text, or both (security.istio.io PeerAuthentication).
--
-- The narrowest one that says anything counts: of the port, of the workload, of its namespace, of the mesh.  Of
-- several of one kind the oldest counts alone.
local attachment = require "moongate.config.manifests.attachment"
local names = require "moongate.config.manifests.names"

local peer_authentication = {}
peer_authentication.__index = peer_authentication

local KIND = "security.istio.io/PeerAuthentication"
local DEFAULT = "PERMISSIVE"
local STRICTNESS = { DISABLE = 1, PERMISSIVE = 2, STRICT = 3 }

local function labels_of(object)
  local labels = object.spec.selector and object.spec.selector.matchLabels or {}
  return next(labels) and labels
end

local function check(object)
  attachment.check_selector(object)
  local ports, selects = object.spec.portLevelMtls, labels_of(object)
  if not ports then return end
  local path = { "spec", "portLevelMtls" }
  if not selects then return object:refuse(path, "needs a selector") end
  if next(ports) == nil then return object:refuse(path, "expected at least one port") end
  for port in pairs(ports) do
    local number = tonumber(port)
    if not number or number % 1 ~= 0 or number < 1 or number > 65535 then
      path[3] = port
      object:refuse(path, ("expected a port from 1 to 65535, found %q"):format(port))
    end
  end
end

local function keep_first(map, key, object, what)
  if map[key] then
    object:warn({ "spec" }, ("is not used: %s is older and %s"):format(map[key]:place(), what))
    return
  end
  map[key] = object
end

--- @param store all objects, with the mesh's settings
function peer_authentication.new(store)
  local self = { root = store.mesh.root_namespace, wide = {}, narrow = {}, used = {} }
  for _, object in ipairs(store:all(KIND)) do
    check(object)
    if not labels_of(object) then
      keep_first(self.wide, object.namespace, object, "counts for the whole namespace too")
    elseif object.namespace == self.root then
      object:warn({ "spec", "selector" }, "means nothing in the root namespace; not used")
      self.used[object] = true
    else
      table.insert(self.narrow, object)
    end
  end
  return setmetatable(self, peer_authentication)
end

local function said(object)
  local mode = object and object.spec.mtls and object.spec.mtls.mode
  return mode ~= "UNSET" and mode or nil
end

-- The oldest that selects a workload.
local function narrow_of(self, namespace, labels)
  for _, object in ipairs(self.narrow) do
    if object.namespace == namespace and names.selects(labels_of(object), labels) then
      self.used[object] = true
      return object
    end
  end
end

-- A workload's mode at one of its ports, and the object that says so (nil: nobody does).
local function mode_at(self, namespace, labels, number)
  local narrow = narrow_of(self, namespace, labels)
  local at_port = narrow and narrow.spec.portLevelMtls and narrow.spec.portLevelMtls[tostring(number)]
  if at_port and at_port.mode ~= "UNSET" then return at_port.mode, narrow end
  for _, object in ipairs { narrow or false, self.wide[namespace] or false, self.wide[self.root] or false } do
    local mode = object and said(object)
    if mode then return mode, object end
  end
  return DEFAULT
end

-- The numbers that a service's port has at its workloads.
local function numbers_of(service, port)
  local numbers, list = {}, {}
  for _, endpoint in ipairs(port.endpoints) do numbers[tonumber(endpoint.address:match(":(%d+)$"))] = true end
  local target = service.object.spec.ports[port.index].targetPort
  if next(numbers) == nil then numbers[tonumber(target) or port.number] = true end
  for number in pairs(numbers) do list[#list + 1] = number end
  return list
end

--- The mode of a service's port: "DISABLE", "PERMISSIVE" or "STRICT"; of several workloads behind it the strictest.
-- @return mode, and the PeerAuthentication that says so or nil
function peer_authentication:mode(service, port)
  local found, by
  local namespace = service.object.namespace
  for _, workload in ipairs(service.behind[1] and service.behind or { { labels = {} } }) do
    for _, number in ipairs(numbers_of(service, port)) do
      local mode, object = mode_at(self, namespace, workload.labels, number)
      if not found or STRICTNESS[mode] > STRICTNESS[found] then found, by = mode, object end
    end
  end
  return found, by
end

--- Warns of those that select nobody here.
function peer_authentication:warn_unused()
  for _, object in ipairs(self.narrow) do
    if not self.used[object] then
      object:warn({ "spec", "selector" }, "counts for nothing: no service here has a workload that it selects first")
    end
  end
end

return peer_authentication
