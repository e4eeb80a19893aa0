--- json: JSON texts to Lua values and back (RFC 8259).
-- Objects are written with sorted keys, so that equal values give equal texts.
local cjson = require "cjson.safe"
local json = {}

local DEPTH = 100 -- of nested tables; also what stops a table that holds itself

--- JSON's null; a table field that is json.null is written, one that is nil is not there.
json.null = cjson.null

local array = {}

--- Marks a table as a list, so that an empty one is written as [] and not as {}.
function json.array(list) return setmetatable(list or {}, array) end

--- The value of a text, or nil and what is wrong.
function json.decode(text)
  return cjson.decode(text)
end

local encode_value

local function encode_list(list, depth)
  local parts, count = {}, 0
  for _ in pairs(list) do count = count + 1 end
  if count ~= #list then error("a list has other keys, or gaps", 0) end
  for i = 1, #list do parts[i] = encode_value(list[i], depth) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function encode_object(object, depth)
  local names, parts = {}, {}
  for name in pairs(object) do
    if type(name) ~= "string" then error("a table mixes names and numbers as keys", 0) end
    names[#names + 1] = name
  end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = cjson.encode(name) .. ":" .. encode_value(object[name], depth) end
  return "{" .. table.concat(parts, ",") .. "}"
end

function encode_value(value, depth)
  if type(value) ~= "table" then
    local text, why = cjson.encode(value)
    return text or error(why, 0)
  end
  if depth == DEPTH then error("more than " .. DEPTH .. " nested tables", 0) end
  if getmetatable(value) == array or #value > 0 then return encode_list(value, depth + 1) end
  return encode_object(value, depth + 1)
end

--- The text of a value, or nil and what cannot be written (functions, NaN, too deep a nesting).
function json.encode(value)
  local ok, text = pcall(encode_value, value, 0)
  if ok then return text end
  return nil, "json: " .. tostring(text)
end

return json
