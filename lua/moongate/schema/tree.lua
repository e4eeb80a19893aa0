--- tree: tells tables that hold themselves, in which a walk through settings would never end.
local tree = {}

local function is_inside(value, seen)
  if type(value) ~= "table" then return false end
  if seen[value] ~= nil then return seen[value] end
  seen[value] = true -- while its items are looked at
  for _, item in pairs(value) do
    if is_inside(item, seen) then return true end
  end
  seen[value] = false
  return false
end

--- Whether a table is its own item, however deep.
function tree.holds_itself(value)
  return type(value) == "table" and is_inside(value, {})
end

return tree
