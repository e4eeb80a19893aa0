--- exports: which namespaces see an object (exportTo of Istio's networking kinds; all of them where it is absent).
local exports = {}

--- Whether what stands in a namespace sees an object.
function exports.is_visible(object, namespace)
  local list = object.spec.exportTo or {}
  for _, to in ipairs(list) do
    if to == "*" or to == namespace or to == "." and object.namespace == namespace then return true end
  end
  return #list == 0
end

--- Refuses what exportTo cannot say.
-- @param may_hide whether it may be "~", so that nobody sees the object
function exports.check(object, may_hide)
  local list, seen = object.spec.exportTo or {}, {}
  for i, to in ipairs(list) do
    local path, name = { "spec", "exportTo", i }, to == "." and object.namespace or to
    if name ~= "*" and not (may_hide and name == "~") and not name:find("^[%w][%w-]*$") then
      object:refuse(path, ("expected '*', '.' or a namespace, got %q"):format(to))
    elseif #list > 1 and (name == "*" or name == "~") then
      object:refuse(path, ("%q stands alone"):format(to))
    elseif seen[name] then
      object:refuse(path, ("%s is there twice"):format(to))
    end
    seen[name] = true
  end
end

return exports
