--- conditions: what is judged of one object or one part of it, in the form of Kubernetes' conditions.
-- Whoever builds the model asks holds(); whoever prints the status asks list(): so both say the same.
local conditions = {}
conditions.__index = conditions

local FROM_THE_START = {
  Accepted = { status = true, reason = "Accepted", message = "" },
  Programmed = { status = true, reason = "Programmed", message = "" },
  ResolvedRefs = { status = true, reason = "ResolvedRefs", message = "" },
  Conflicted = { status = false, reason = "NoConflicts", message = "" },
}

--- Conditions of these types: Accepted, Programmed and ResolvedRefs hold until they fail; Conflicted holds not.
-- @param kinds array, which must not change any more
function conditions.new(kinds)
  return setmetatable({ kinds = kinds }, conditions)
end

-- { status, reason, message } of a condition.
local function entry_of(self, kind)
  return self[kind] or FROM_THE_START[kind]
end

--- Sets a condition, whatever it was before; one of another type than those comes after them.
function conditions:set(kind, status, reason, message)
  if not entry_of(self, kind) then
    self.others = self.others or {}
    table.insert(self.others, kind)
  end
  self[kind] = { status = status, reason = reason, message = message }
end

--- Notes that a condition does not hold; the first reason stays.
function conditions:fail(kind, reason, message)
  if self:holds(kind) then self:set(kind, false, reason, message) end
end

--- Whether a condition holds.
function conditions:holds(kind)
  return entry_of(self, kind).status
end

--- The reason that a condition has.
function conditions:reason(kind)
  return entry_of(self, kind).reason
end

--- As they stand in a status, in the order of their types.
-- @param generation of the object that was looked at
function conditions:list(generation)
  local list = {}
  local function add(kind)
    local entry = entry_of(self, kind)
    list[#list + 1] = { type = kind, status = entry.status and "True" or "False", reason = entry.reason,
      message = entry.message, observedGeneration = generation }
  end
  for _, kind in ipairs(self.kinds) do add(kind) end
  for _, kind in ipairs(self.others or {}) do add(kind) end
  return list
end

return conditions
