--- schema: checks settings against a list of fields, fills defaults, describes itself.
-- A field is { "name", type =, required =, default =, min =, max =, one_of =, pattern =, items =, values =,
-- fields =, doc =, secret = true for what nobody may print }.
-- `type` is one of the names below or a list of them; durations become milliseconds, sizes bytes.
-- min and max bound numbers (after conversion), the length of strings, or the count of a list.
local describe = require "moongate.describe"
local suggest = require "moongate.suggest"
local units = require "moongate.units"

local schema = {}

--- Text lines that explain a list of fields to a reader.
schema.describe = describe.fields

local FIELD_KEYS = {
  [1] = "string", type = true, required = "boolean", default = true, min = "number", max = "number", one_of = "table",
  pattern = "string", items = "table", values = "table", fields = "table", doc = "string",
  secret = "boolean",
}

local NOUNS = {
  string = "a string", number = "a number", integer = "an integer", boolean = "true or false", list = "a list",
  duration = 'a duration such as "5s"', size = 'a size such as "64KiB"', map = "a map", record = "a table of settings",
  ["function"] = "a function", any = "a value",
}

local function types_of(field)
  return type(field.type) == "table" and field.type or { field.type }
end

--- What a value is, for messages: `the string "x"`, `the number 3`, `a table`.
function schema.show(value)
  local kind = type(value)
  if kind == "string" then return ("the string %q"):format(#value > 60 and value:sub(1, 57) .. "..." or value) end
  if kind == "number" or kind == "boolean" then return ("the %s %s"):format(kind, tostring(value)) end
  return "a " .. kind
end

--- A new path: `path` with `key` added.
function schema.join(path, key)
  local longer = {}
  for i, part in ipairs(path) do longer[i] = part end
  longer[#longer + 1] = key
  return longer
end

local function is_list(value)
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

local function is_number(value)
  return type(value) == "number" and value == value and math.abs(value) ~= math.huge
end

local check_field

-- Each gives the checked value (nil: not of that type), then whether it has reported mistakes of its own.
local readers = {
  any = function(_, value) return value end,
  string = function(_, value) return type(value) == "string" and value or nil end,
  number = function(_, value) return is_number(value) and value or nil end,
  integer = function(_, value) return is_number(value) and value % 1 == 0 and value or nil end,
  boolean = function(_, value) if type(value) == "boolean" then return value end end,
  duration = function(_, value) return (units.duration(value)) end,
  size = function(_, value) return (units.size(value)) end,
  ["function"] = function(_, value) return type(value) == "function" and value or nil end,
}

function readers.list(field, value, path, report)
  if type(value) ~= "table" or not is_list(value) then return nil end
  if not field.items then return value end
  local copy = {}
  for i, item in ipairs(value) do copy[i] = check_field(field.items, item, schema.join(path, i), report) end
  return copy
end

function readers.map(field, value, path, report)
  if type(value) ~= "table" then return nil end
  local copy = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then
      report(schema.join(path, key), ("expected names as keys, got %s"):format(schema.show(key)))
    elseif field.values then
      copy[key] = check_field(field.values, item, schema.join(path, key), report)
    else
      copy[key] = item
    end
  end
  return copy
end

function readers.record(field, value, path, report)
  if type(value) ~= "table" then return nil end
  return schema.check(field.fields, value, path, report)
end

local function expected(field)
  local nouns = {}
  for i, name in ipairs(types_of(field)) do nouns[i] = NOUNS[name] end
  return table.concat(nouns, " or ")
end

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
  local names = {}
  for i, allowed in ipairs(field.one_of) do
    if allowed == value then return nil end
    names[i] = tostring(allowed)
  end
  local hint = type(value) == "string" and suggest.hint(value, names) or ""
  return ("expected one of '%s', got %s%s"):format(table.concat(names, "', '"), schema.show(value), hint)
end

local function value_error(field, value)
  if field.one_of and type(value) ~= "table" then
    local message = choice_error(field, value)
    if message then return message end
  end
  if field.pattern and type(value) == "string" and not value:find(field.pattern) then
    return ("expected a string like the pattern %s, got %s"):format(field.pattern, schema.show(value))
  end
  return (field.min or field.max) and bound_error(field, value)
end

function check_field(field, value, path, report)
  for _, name in ipairs(types_of(field)) do
    local checked = readers[name](field, value, path, report)
    if checked ~= nil then
      local message = value_error(field, checked)
      if not message then return checked end
      report(path, message)
      return nil
    end
  end
  report(path, ("expected %s, got %s"):format(expected(field), schema.show(value)))
end

local function copy_default(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = copy_default(item) end
  return copy
end

local function quiet() end

local function report_unknown(known, value, path, report)
  for key in pairs(value) do
    if known[key] == nil then
      local names = suggest.keys(known)
      local hint = type(key) == "string" and suggest.hint(key, names) or ""
      if hint == "" then hint = "; known are '" .. table.concat(names, "', '") .. "'" end
      if #names == 0 then hint = "; there are none" end
      local what = type(key) == "string" and "unknown key '%s'%s" or "unexpected item [%s]%s"
      report(schema.join(path, key), what:format(tostring(key), hint))
    end
  end
end

--- Checks a table of settings against a list of fields.
-- Never stops at the first mistake: calls report(path, message) for each, `path` an array of keys.
-- @return a checked copy with defaults filled in; not to be used when anything was reported
function schema.check(fields, value, path, report)
  local copy, known = {}, {}
  for _, field in ipairs(fields) do
    local name = field[1]
    known[name] = true
    if value[name] ~= nil then
      copy[name] = check_field(field, value[name], schema.join(path, name), report)
    elseif field.default ~= nil then
      copy[name] = check_field(field, copy_default(field.default), {}, quiet)
    elseif field.required then
      report(path, ("'%s' is missing; expected %s"):format(name, expected(field)))
    end
  end
  report_unknown(known, value, path, report)
  return copy
end

local validate_field

--- Whether a list of fields is well formed itself (a mistake of a policy's author).
-- @return true, or nil and "field: reason"
function schema.validate(fields)
  if type(fields) ~= "table" or not is_list(fields) then return nil, "schema: expected a list of fields" end
  local seen = {}
  for i, field in ipairs(fields) do
    if type(field) ~= "table" or type(field[1]) ~= "string" then
      return nil, ("schema[%d]: expected a field such as { \"name\", type = \"string\" }"):format(i)
    end
    if seen[field[1]] then return nil, ("schema: field '%s' stands twice"):format(field[1]) end
    seen[field[1]] = true
    local ok, err = validate_field(field, field[1])
    if not ok then return nil, err end
  end
  return true
end

local function default_error(field)
  if field.default == nil then return nil end
  local found
  check_field(field, field.default, {}, function(_, message) found = found or message end)
  return found and "its default: " .. found
end

local function children_ok(field, name)
  for _, part in ipairs { "items", "values" } do
    if field[part] then
      local ok, err = validate_field(field[part], name .. "." .. part)
      if not ok then return nil, err end
    end
  end
  if field.fields then return schema.validate(field.fields) end
  return true
end

function validate_field(field, name)
  for key, value in pairs(field) do
    local kind = FIELD_KEYS[key]
    if not kind then return nil, ("%s: unknown field key '%s'"):format(name, tostring(key)) end
    if kind ~= true and type(value) ~= kind then return nil, ("%s: %s must be a %s"):format(name, key, kind) end
  end
  for _, kind in ipairs(types_of(field)) do
    if not readers[kind] then
      local hint = suggest.hint(tostring(kind), suggest.keys(NOUNS))
      return nil, ("%s: unknown type %s%s"):format(name, schema.show(kind), hint)
    end
    if kind == "record" and not field.fields then return nil, name .. ": a record needs fields" end
  end
  if #types_of(field) == 0 then return nil, name .. ": type is missing" end
  local ok, err = children_ok(field, name)
  if not ok then return nil, err end
  local message = default_error(field)
  if message then return nil, ("%s: %s"):format(name, message) end
  return true
end

return schema
