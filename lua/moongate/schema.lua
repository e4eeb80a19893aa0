--- schema: checks settings against a list of fields, fills defaults, describes itself.
-- A field is { "name", type =, required =, default =, min =, max =, one_of =, pattern =, items =, values =,
-- fields =, doc =, secret = true for what nobody may print }.
-- `type` is one of the names below or a list of them; durations become milliseconds, sizes bytes, code (the text of a
-- program) { text =, file =, line = where it stands }.
-- min and max bound numbers (after conversion), the length of strings, or the count of a list.
-- Thousands of objects are checked at a load, so the way to a value is one array that grows and shrinks: `at`, which is
-- copied only for a mistake.
local bounds = require "moongate.schema.bounds"
local describe = require "moongate.describe"
local form = require "moongate.schema.form"
local suggest = require "moongate.suggest"
local units = require "moongate.units"
local new_table = require "table.new"
local words = require "moongate.schema.words"

local schema = {}

local NONE = {}
local DEEP = 8 -- keys on the way to most values

--- Text lines that explain a list of fields to a reader.
schema.describe = describe.fields

--- What a value is, for messages: `the string "x"`, `the number 3`, `a table`.
schema.show = words.show

--- A new path: `path` with `key` added.
function schema.join(path, key)
  local n = #path + 1
  local longer = new_table(n, 0)
  for i = 1, n - 1 do longer[i] = path[i] end
  longer[n] = key
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

--- The way to where a check has come to, as an array of keys; see `look` of check().
function schema.path(at)
  local path = new_table(at.n, 0)
  for i = 1, at.n do path[i] = at[i] end
  return path
end

-- Says a mistake at the place that `at` has come to, or at its child `key`.
local function say(at, message, key)
  if not at.report then return end
  local path = schema.path(at)
  path[#path + 1] = key
  at.report(path, message)
end

local check_field

local function check_child(field, value, at, key)
  local n = at.n + 1
  at.n, at[n] = n, key
  local checked = check_field(field, value, at)
  at.n = n - 1
  return checked
end

-- Each gives the checked value (nil: not of that type), and has reported mistakes inside it.
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

-- Who knows where the text stands gives the table.
function readers.code(_, value)
  if type(value) == "string" then return { text = value, file = "inline", line = 1 } end
  return type(value) == "table" and type(value.text) == "string" and value or nil
end

function readers.list(field, value, at)
  if type(value) ~= "table" or not is_list(value) then return nil end
  if not field.items then return value end
  local copy = new_table(#value, 0)
  for i = 1, #value do copy[i] = check_child(field.items, value[i], at, i) end
  return copy
end

function readers.map(field, value, at)
  if type(value) ~= "table" then return nil end
  local copy = {}
  for key, item in pairs(value) do
    if type(key) ~= "string" then
      say(at, ("expected names as keys, got %s"):format(schema.show(key)), key)
    elseif field.values then
      copy[key] = check_child(field.values, item, at, key)
    else
      copy[key] = item
    end
  end
  return copy
end

local check_record

function readers.record(field, value, at)
  if type(value) ~= "table" then return nil end
  return check_record(field.fields, value, at)
end

-- True when the value was of that type, then what it was read as (nil: a mistake, which is reported).
local function try_type(name, field, value, at)
  local checked = readers[name](field, value, at)
  if checked == nil then return false end
  local message = bounds.error(field, checked)
  if not message then return true, checked end
  say(at, message)
  return true, nil
end

function check_field(field, value, at)
  if at.look then at.look(field, value, at) end
  local kinds = field.type
  if type(kinds) == "string" then
    local fits, checked = try_type(kinds, field, value, at)
    if fits then return checked end
  else
    for i = 1, #kinds do
      local fits, checked = try_type(kinds[i], field, value, at)
      if fits then return checked end
    end
  end
  say(at, ("expected %s, got %s"):format(words.expected(field), schema.show(value)))
end

local function copy_default(value)
  if type(value) ~= "table" then return value end
  local copy = {}
  for key, item in pairs(value) do copy[key] = copy_default(item) end
  return copy
end

local defaults = setmetatable({}, { __mode = "k" }) -- by field: what was made of it, where that is no table
local UNHEARD = { n = 0 } -- where a check is that reports nothing

-- A default that is a table is made anew each time, so that it is never shared.
local function default_of(field)
  local known = defaults[field]
  if known ~= nil then return known end
  local made = check_field(field, copy_default(field.default), UNHEARD)
  if type(made) ~= "table" then defaults[field] = made end
  return made
end

local outlines = setmetatable({}, { __mode = "k" }) -- by list of fields: what outline_of() gives

-- { names = of the fields in order, known = the set of them, absent = array: whether it matters that a field is absent,
-- defaults = how many have one }
local function outline_of(fields)
  local outline = outlines[fields]
  if outline then return outline end
  outline = { names = {}, known = {}, absent = {}, defaults = 0 }
  for i, field in ipairs(fields) do
    outline.names[i], outline.known[field[1]] = field[1], true
    outline.absent[i] = field.default ~= nil or field.required or false
    if field.default ~= nil then outline.defaults = outline.defaults + 1 end
  end
  outlines[fields] = outline
  return outline
end

local function say_unknown(known, key, at)
  local names = suggest.keys(known)
  local hint = type(key) == "string" and suggest.hint(key, names) or ""
  if hint == "" then hint = "; known are '" .. table.concat(names, "', '") .. "'" end
  if #names == 0 then hint = "; there are none" end
  local what = type(key) == "string" and "unknown key '%s'%s" or "unexpected item [%s]%s"
  say(at, what:format(tostring(key), hint), key)
end

-- What stands for a field that is absent, whose default or lack matters.
local function absent(field, at)
  if field.default ~= nil then return default_of(field) end
  say(at, ("'%s' is missing; expected %s"):format(field[1], words.expected(field)))
end

function check_record(fields, value, at)
  local outline = outline_of(fields)
  local names, known, count, strange = outline.names, outline.known, outline.defaults, false
  for key in pairs(value) do
    count = count + 1
    strange = strange or not known[key]
  end
  local copy = new_table(0, count) -- which spares it growing
  for i = 1, #names do
    local name = names[i]
    local item = value[name]
    if item ~= nil then
      copy[name] = check_child(fields[i], item, at, name)
    elseif outline.absent[i] then
      copy[name] = absent(fields[i], at)
    end
  end
  for key in pairs(strange and value or NONE) do
    if not known[key] then say_unknown(known, key, at) end
  end
  return copy
end

--- Checks a table of settings against a list of fields, which must not change any more.
-- Never stops at the first mistake: calls report(path, message) for each, `path` an array of keys.
-- @param look function or nil: look(field, value, at) is called for every field that is there, before its check;
-- schema.path(at) gives its path
-- @return a checked copy with defaults filled in; not to be used when anything was reported
function schema.check(fields, value, path, report, look)
  local at = new_table(DEEP, 3)
  at.n, at.report, at.look = #path, report, look
  for i = 1, #path do at[i] = path[i] end
  return check_record(fields, value, at)
end

local function default_error(field)
  if field.default == nil then return nil end
  local found
  check_field(field, field.default, { n = 0, report = function(_, message) found = found or message end })
  return found and "its default: " .. found
end

--- Whether a list of fields is well formed itself (a mistake of a policy's author).
-- @return true, or nil and "field: reason"
function schema.validate(fields)
  return form.validate(fields, default_error)
end

return schema
