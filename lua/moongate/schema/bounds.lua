--- bounds: what a field wants of a value beyond its type: a choice, a pattern, a least and a most.
local suggest = require "moongate.suggest"
local words = require "moongate.schema.words"

local bounds = {}

local function bound_error(field, value)
  local kind, size = type(value), value
  local what = "a value"
  if kind == "string" then size, what = #value, "a length" end
  if kind == "table" then size, what = #value, "a count" end
  if type(size) ~= "number" then return nil end
  if field.min and size < field.min then return ("expected %s of at least %s, got %s"):format(what, field.min, size) end
  if field.max and size > field.max then return ("expected %s of at most %s, got %s"):format(what, field.max, size) end
end

local function choice_error(field, value)
  for i = 1, #field.one_of do
    if field.one_of[i] == value then return nil end
  end
  local names = {}
  for i, allowed in ipairs(field.one_of) do names[i] = tostring(allowed) end
  local hint = type(value) == "string" and suggest.hint(value, names) or ""
  return ("expected one of '%s', got %s%s"):format(table.concat(names, "', '"), words.show(value), hint)
end

--- What is wrong with a value that has the type of its field, or nil.
function bounds.error(field, value)
  if field.one_of and type(value) ~= "table" then
    local message = choice_error(field, value)
    if message then return message end
  end
  if field.pattern and type(value) == "string" and not value:find(field.pattern) then
    return ("expected a string like the pattern %s, got %s"):format(field.pattern, words.show(value))
  end
  return (field.min or field.max) and bound_error(field, value)
end

return bounds
