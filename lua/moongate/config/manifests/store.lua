--- All objects of one load, found by kind, namespace and name.
local store = {}
store.__index = store

--- @param objects array from reader.read(); an object that is there twice is refused
-- @param tls moongate.tls, kept as `tls` for those who try certificates; nil: nobody does
function store.new(objects, tls)
  local self = setmetatable({ lists = {}, by_name = {}, tls = tls }, store)
  for _, obj in ipairs(objects) do
    local kind = obj.group .. "/" .. obj.kind
    local key = ("%s %s/%s"):format(kind, obj.namespace or "", obj.name)
    local first = self.by_name[key]
    if first then
      obj:refuse({ "metadata", "name" }, "is there twice; first in " .. first:place())
    else
      self.by_name[key] = obj
      self.lists[kind] = self.lists[kind] or {}
      table.insert(self.lists[kind], obj)
    end
  end
  return self
end

--- Objects of a kind in order of appearance, which stands for their age.
-- @param kind string: "Service" of the core group is "/Service", else "group/Kind"
function store:all(kind)
  return self.lists[kind] or {}
end

--- The object of that name (namespace nil: cluster-wide), or nil.
function store:get(kind, namespace, name)
  local found = self.by_name[("%s %s/%s"):format(kind, namespace or "", name)]
  if found then found:use() end
  return found
end

return store
