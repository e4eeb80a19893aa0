--- Which Telemetries count at a proxy: the mesh's, its namespace's and its own, each over the one before.
-- Of several of one kind the oldest counts alone (as in Istio, which merges none).
local attachment = require "moongate.config.manifests.attachment"

local telemetries = {}
telemetries.__index = telemetries

local KIND = "telemetry.istio.io/Telemetry"
local WAYPOINT = "istio-waypoint"

local function is_wide(object)
  local selector = object.spec.selector
  return #attachment.refs(object.spec) == 0 and next(selector and selector.matchLabels or {}) == nil
end

--- @param store all objects, with the mesh's settings
function telemetries.new(store)
  local self = { all = store:all(KIND), root = store.mesh.root_namespace, wide = {}, narrow = {} }
  for _, object in ipairs(self.all) do
    attachment.check(object)
    local first = self.wide[object.namespace]
    if not is_wide(object) then
      table.insert(self.narrow, object)
    elseif first then
      object:warn({ "spec" }, ("is not used: %s is older and counts for the whole namespace too"):format(first:place()))
    else
      self.wide[object.namespace] = object
    end
  end
  return setmetatable(self, telemetries)
end

--- The objects that count at a proxy (see attachment.lua), the mesh's first.
function telemetries:at(proxy)
  local list = {}
  if self.wide[self.root] then list[1] = self.wide[self.root] end
  if proxy.namespace ~= self.root and self.wide[proxy.namespace] then
    list[#list + 1] = self.wide[proxy.namespace]
  end
  for _, object in ipairs(self.narrow) do
    if object.namespace == proxy.namespace and attachment.attaches(object, proxy, self.root) then
      list[#list + 1] = object
      break
    end
  end
  return list
end

--- Whose Telemetries count at a listener of the mesh: its waypoint's, or those of the workloads behind the service.
function telemetries.mesh_proxy(service)
  local object, waypoint = service.object, service.waypoint
  if waypoint and not waypoint.legacy then
    return { namespace = waypoint.namespace, labels = waypoint.object.labels, gateway = waypoint.name, class = WAYPOINT,
      services = { { kind = "Service", name = object.name, namespace = object.namespace } }, mode = "SERVER" }
  end
  local workload = service.behind[1]
  return { namespace = object.namespace, labels = workload and workload.labels or {}, mode = "SERVER" }
end

--- Warns of those that count nowhere.
function telemetries:warn_unused()
  for _, object in ipairs(self.narrow) do
    if not object.attached[1] then object:warn({ "spec" }, "counts nowhere: it selects no proxy here first") end
  end
end

return telemetries
