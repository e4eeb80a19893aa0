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

-- What stands in `from` alone; but a name that migrate() leaves out begins as it was declared.
local function fill(into, from, migrated)
  for name in pairs(migrated and {} or into) do into[name] = nil end
  for name, value in pairs(from) do into[name] = value end
end

-- What a changed policy begins with: the old state, or what its migrate() makes of it (that may be the same table), and
-- whether it is migrate()'s; or nil and what is wrong.
local function next_state(name, old, new)
  if old.shape == new.shape then return old.module.state, false end
  local migrate = new.module.migrate
  if not migrate then
    local file = new.files[1].chunkname:sub(2)
    return nil, ("policy '%s': %s: the form of its state changed, and there is no function migrate"):format(name, file)
  end
  local ok, result = bounded.pcall(migrate, old.module.state)
  if not ok then return nil, ("policy '%s': migrate: %s"):format(name, tostring(result)) end
  if type(result) ~= "table" then
    local at = debug.getinfo(migrate, "S")
    return nil, ("policy '%s': migrate: %s:%d: expected it to return a table, got a %s"):format(name, at.short_src,
      at.linedefined, type(result))
  end
  return result, true
end

--- Hands the states of `serving` over to `loaded` (see moongate.policy), where both have one and they are not the same
-- module.  @return true; or nil and what is wrong, and nothing has changed
function state.hand_over(serving, loaded)
  local found = {}
  for name, new in pairs(loaded) do
    local old = serving[name]
    if old and old.module ~= new.module and old.module.state and new.module.state then
      local from, migrated = next_state(name, old, new)
      if not from then return nil, migrated end
      found[#found + 1] = { new.module.state, from, migrated }
    end
  end
  for _, one in ipairs(found) do fill(one[1], one[2], one[3]) end
  return true
end

return state
