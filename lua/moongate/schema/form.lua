--- form: whether a list of fields, by which moongate.schema checks, is well formed itself.
local suggest = require "moongate.suggest"
local tree = require "moongate.schema.tree"
local words = require "moongate.schema.words"

local form = {}

local FIELD_KEYS = {
  [1] = "string", type = true, required = "boolean", default = true, min = "number", max = "number", one_of = "table",
  pattern = "string", items = "table", values = "table", fields = "table", doc = "string",
  secret = "boolean",
}

local DEEPEST = 32 -- records, lists and maps in one another; also what stops a schema that holds itself

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

local validate_field

local function validate_list(fields, default_error, depth)
  if type(fields) ~= "table" or not is_list(fields) then return nil, "schema: expected a list of fields" end
  local seen = {}
  for i, field in ipairs(fields) do
    if type(field) ~= "table" or type(field[1]) ~= "string" then
      return nil, ("schema[%d]: expected a field such as { \"name\", type = \"string\" }"):format(i)
    end
    if seen[field[1]] then return nil, ("schema: field '%s' stands twice"):format(field[1]) end
    seen[field[1]] = true
    local ok, err = validate_field(field, field[1], default_error, depth)
    if not ok then return nil, err end
  end
  return true
end

local function children_ok(field, name, default_error, depth)
  if depth == DEEPEST and (field.items or field.values or field.fields) then
    return nil, ("%s: nested more than %d deep; does the schema hold itself?"):format(field[1] or name, DEEPEST)
  end
  for _, part in ipairs { "items", "values" } do
    if field[part] then
      local ok, err = validate_field(field[part], name .. "." .. part, default_error, depth + 1)
      if not ok then return nil, err end
    end
  end
  if field.fields then return validate_list(field.fields, default_error, depth + 1) end
  return true
end

-- Whether all values of one_of can be written in a message.
local function are_plain(values)
  for _, value in ipairs(values or {}) do
    if type(value) == "table" or type(value) == "function" then return false end
  end
  return true
end

function validate_field(field, name, default_error, depth)
  for key, value in pairs(field) do
    local kind = FIELD_KEYS[key]
    if not kind then return nil, ("%s: unknown field key '%s'"):format(name, tostring(key)) end
    if kind ~= true and type(value) ~= kind then return nil, ("%s: %s must be a %s"):format(name, key, kind) end
  end
  for _, kind in ipairs(words.types(field)) do
    if not words.NOUNS[kind] then
      local hint = suggest.hint(tostring(kind), suggest.keys(words.NOUNS))
      return nil, ("%s: unknown type %s%s"):format(name, words.show(kind), hint)
    end
    if kind == "record" and not field.fields then return nil, name .. ": a record needs fields" end
  end
  if #words.types(field) == 0 then return nil, name .. ": type is missing" end
  if field.pattern and not pcall(string.find, "", field.pattern) then
    return nil, ("%s: pattern is no pattern of Lua's: %q"):format(name, field.pattern)
  end
  if not are_plain(field.one_of) then return nil, name .. ": one_of: expected texts, numbers or booleans" end
  local ok, err = children_ok(field, name, default_error, depth)
  if not ok then return nil, err end
  if tree.holds_itself(field.default) then return nil, name .. ": its default: a table that holds itself" end
  local message = default_error(field)
  if message then return nil, ("%s: %s"):format(name, message) end
  return true
end

--- Whether a list of fields is well formed itself (a mistake of a policy's author).
-- @param default_error function(field): what is wrong with its default, or nil
-- @return true, or nil and "field: reason"
function form.validate(fields, default_error)
  return validate_list(fields, default_error, 1)
end

return form
