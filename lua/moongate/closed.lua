--- closed: objects whose insides only the module that makes them can reach.
-- They are userdata: without fields, so that neither rawset nor the table library can write into one, and their
-- metatable is hidden. What is inside stands in a table that the module alone holds.
local closed = {}

local function refuse(_, key)
  error(("'%s' cannot be assigned"):format(tostring(key)), 2)
end

--- A kind of objects.
-- @param index,newindex as in a metatable; newindex nil: nothing can be assigned
-- @param mode "k" (nil): an object keeps what is inside of it, which must not refer to the object; "kv": somebody
--   else keeps it, and may refer to the object
-- @return make(inside) giving an object, and the table of what is inside, by object (nil for anything else)
function closed.class(index, newindex, mode)
  local inside = setmetatable({}, { __mode = mode or "k" })
  local first = newproxy(true)
  local mt = getmetatable(first)
  mt.__index, mt.__newindex, mt.__metatable = index, newindex or refuse, false
  local function make(state)
    local object = newproxy(first)
    inside[object] = state
    return object
  end
  return make, inside
end

--- For ctx and its parts: raises unless the lane of their exchange is the one that runs. Who keeps one for another
-- request, or for a timer, would have in hand whatever the lane is at meanwhile, be it of another client and policy.
function closed.check_running(x)
  if not x.running then error("ctx and its parts are of use to their own request alone, while it runs", 3) end
end

local frozen_map
local make_frozen, copies = closed.class(function(self, key) return frozen_map[self][key] end)
frozen_map = copies

--- A copy of a value that nobody can change: of a table, an object that reads as it.
function closed.frozen(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, one in pairs(value) do copy[key] = closed.frozen(one) end
  return make_frozen(copy)
end

return closed
