--- state: what policies declare to remember (`state`), handed over when their files have changed.
local bounded = require "moongate.bounded"

local state = {}

--- The declared form of a state: its names and their types, as a text; nil for no state.
function state.shape(declared)
  if not declared then return nil end
  local parts = {}
  for name, value in pairs(declared) do parts[#parts + 1] = ("%s:%s"):format(tostring(name), type(value)) end
  table.sort(parts)
  return table.concat(parts, ",")
end

local function fill(into, from)
  for name in pairs(into) do into[name] = nil end
  for name, value in pairs(from) do into[name] = value end
end

-- What a changed policy begins with: the old state, or what its migrate() makes of it.
local function next_state(name, old, new)
  if old.shape == new.shape then return old.module.state end
  local migrate = new.module.migrate
  if not migrate then
    return nil, ("policy '%s': the form of its state changed, and there is no function migrate"):format(name)
  end
  local ok, result = bounded.pcall(migrate, old.module.state)
  if not ok then return nil, ("policy '%s': migrate: %s"):format(name, tostring(result)) end
  if type(result) ~= "table" then
    return nil, ("policy '%s': migrate: expected a table, got a %s"):format(name, type(result))
  end
  return result
end

--- Hands the states of `serving` over to `loaded` (see moongate.policy), where both have one and they are not the same
-- module.  @return true; or nil and what is wrong, and nothing has changed
function state.hand_over(serving, loaded)
  local found = {}
  for name, new in pairs(loaded) do
    local old = serving[name]
    if old and old.module ~= new.module and old.module.state and new.module.state then
      local from, err = next_state(name, old, new)
      if not from then return nil, err end
      found[#found + 1] = { new.module.state, from }
    end
  end
  for _, pair in ipairs(found) do fill(pair[1], pair[2]) end
  return true
end

return state
