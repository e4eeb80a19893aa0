--- json: JSON texts to Lua values and back (RFC 8259).
-- Objects are written with sorted keys, so that equal values give equal texts.
local cjson = require "cjson.safe"
local protected = require "moongate.protected"
local json = {}

local DEPTH = 100 -- of nested tables; also what stops a table that holds itself
local MEMORY = 1024 -- names of fields remembered

--- JSON's null; a table field that is json.null is written, one that is nil is not there.
json.null = cjson.null

local array = { __metatable = "json.array" } -- what getmetatable() tells, of a table that it protects

--- Marks a table as a list, so that an empty one is written as [] and not as {}; one that is marked stays.
function json.array(list)
  if list and getmetatable(list) == array.__metatable then return list end
  return setmetatable(list or {}, array)
end

--- The value of a text, or nil and what is wrong.
function json.decode(text)
  return cjson.decode(text)
end

-- The text under way, in pieces; encode() alone begins and ends one.
local pieces, count

local function put(piece)
  count = count + 1
  pieces[count] = piece
end

local known, known_count = {}, 0 -- names of fields as they are written; a program has few

local function written_name(name)
  if type(name) ~= "string" then error("a table mixes names and numbers as keys", 0) end
  if known_count == MEMORY then known, known_count = {}, 0 end
  known[name], known_count = cjson.encode(name) .. ":", known_count + 1
  return known[name]
end

local put_value

local function put_list(list, depth)
  local all, size = 0, #list
  for _ in pairs(list) do all = all + 1 end
  if all ~= size then error("a list has other keys, or gaps", 0) end
  put "["
  for i = 1, size do
    if i > 1 then put "," end
    put_value(list[i], depth)
  end
  put "]"
end

local function put_object(object, depth)
  local names, size = {}, 0
  for name in pairs(object) do
    size = size + 1
    names[size] = name
    if not known[name] then written_name(name) end
  end
  table.sort(names)
  put "{"
  for i = 1, size do
    local name = names[i]
    if i > 1 then put "," end
    put(known[name] or written_name(name))
    put_value(object[name], depth)
  end
  put "}"
end

function put_value(value, depth)
  if type(value) ~= "table" then
    local text, why = cjson.encode(value)
    return put(text or error(why, 0))
  end
  if depth == DEPTH then error("more than " .. DEPTH .. " nested tables", 0) end
  if getmetatable(value) == array.__metatable or #value > 0 then return put_list(value, depth + 1) end
  return put_object(value, depth + 1)
end

--- The text of a value, or nil and what cannot be written (functions, NaN, too deep a nesting).
function json.encode(value)
  pieces, count = {}, 0
  local ok, why = protected.pcall(put_value, value, 0)
  local text = ok and table.concat(pieces)
  pieces = nil
  if ok then return text end
  return nil, "json: " .. tostring(why)
end

return json
