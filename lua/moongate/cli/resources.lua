--- resources: what became of each Kubernetes object of a config, as lines for `moongate check`.
local resources = {}

local MOST = 6 -- places that are named

local function name_of(obj)
  local name = obj.namespace and obj.namespace .. "/" .. obj.name or obj.name or "(without a name)"
  return ("%s %s"):format(obj.kind or "object", name)
end

local function places(list)
  local some = {}
  for i = 1, math.min(#list, MOST) do some[i] = list[i] end
  if #list > MOST then some[#some + 1] = ("%d more"):format(#list - MOST) end
  return table.concat(some, ", ")
end

local function fate(obj)
  if obj.refused then return "refused" end
  if #obj.attached > 0 then return "accepted, attached to " .. places(obj.attached) end
  return obj.used and "accepted, used" or "accepted, not used by anything"
end

--- @param objects array of config/manifests/object.lua, as the front end left them
-- @return text of lines "file:line: Kind namespace/name: what became of it", each followed by its ignored fields
function resources.text(objects)
  local lines = {}
  for _, obj in ipairs(objects) do
    lines[#lines + 1] = ("%s: %s: %s"):format(obj:place(), name_of(obj), fate(obj))
    for _, field in ipairs(obj.ignored) do
      lines[#lines + 1] = ("%s:%d:   %s: ignored: no effect here"):format(obj.file, field.line, field.path)
    end
  end
  return #lines > 0 and table.concat(lines, "\n") .. "\n" or ""
end

return resources
