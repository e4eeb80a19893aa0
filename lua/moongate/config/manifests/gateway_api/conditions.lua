--- conditions: what is judged of one object or one part of it, in the form of Kubernetes' conditions.
-- Whoever builds the model asks holds(); whoever prints the status asks list(): so both say the same.
local conditions = {}
conditions.__index = conditions

local TRUE_FROM_THE_START = { Accepted = "Accepted", Programmed = "Programmed", ResolvedRefs = "ResolvedRefs" }

--- Conditions of these types: Accepted, Programmed and ResolvedRefs hold until they fail; Conflicted holds not.
function conditions.new(...)
  local self = setmetatable({ entries = {} }, conditions)
  for _, kind in ipairs { ... } do
    local reason = TRUE_FROM_THE_START[kind]
    self:set(kind, reason ~= nil, reason or "NoConflicts", "")
  end
  return self
end

--- Sets a condition, whatever it was before.
function conditions:set(kind, status, reason, message)
  local entry = self.entries[kind]
  if not entry then
    entry = { type = kind }
    self.entries[kind] = entry
    table.insert(self.entries, entry)
  end
  entry.status, entry.reason, entry.message = status, reason, message
end

--- Notes that a condition does not hold; the first reason stays.
function conditions:fail(kind, reason, message)
  if self.entries[kind].status then self:set(kind, false, reason, message) end
end

--- Whether a condition holds.
function conditions:holds(kind)
  return self.entries[kind].status
end

--- The reason that a condition has.
function conditions:reason(kind)
  return self.entries[kind].reason
end

--- As they stand in a status, in the order in which they were set first.
-- @param generation of the object that was looked at
function conditions:list(generation)
  local list = {}
  for i, entry in ipairs(self.entries) do
    list[i] = { type = entry.type, status = entry.status and "True" or "False", reason = entry.reason,
      message = entry.message, observedGeneration = generation }
  end
  return list
end

return conditions
