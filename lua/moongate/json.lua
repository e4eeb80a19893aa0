--- json: JSON texts to Lua values and back (RFC 8259).
-- Objects are written with sorted keys, so that equal values give equal texts.
local buffer = require "string.buffer"
local cjson = require("cjson.safe").new()
local encode_text = require "cjson".encode -- never fails for a text
local protected = require "moongate.protected"
local json = {}

-- No nan, no infinity by its name, no hexadecimal ones: what a policy compares with such a number would pass.  Beyond
-- JSON, cjson takes "1." and "-.5"; and a number too large for a double is infinite, which compares as what it is,
-- larger than any other, and cannot be written.  To look for those would take about as long as to read the text.
cjson.decode_invalid_numbers(false)

local DEPTH = 100 -- of nested tables; also what stops a table that holds itself
local MEMORY, LONGEST = 1024, 64 -- names of fields remembered, and bytes of one
local KEPT = 65536 -- bytes of room that stay for the next text

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
  if type(text) ~= "string" then return nil, "expected a text, got a " .. type(text) end -- a body that is too long
  local zero = text:find("\0", 1, true) -- which cjson takes for the end
  if zero then return nil, "a byte of zero at character " .. zero end
  return cjson.decode(text)
end

-- For the next text; nil while one is under way, since values may have metamethods, which may encode or wait.
local spare = buffer.new()

local known, known_count = {}, 0 -- names of fields as they are written; a program has few

local function written_name(name)
  local written = cjson.encode(name) .. ":"
  if #name > LONGEST then return written end
  if known_count == MEMORY then known, known_count = {}, 0 end
  known[name], known_count = written, known_count + 1
  return written
end

local put_value

local function put_list(out, list, depth)
  local all, size = 0, #list
  for _ in pairs(list) do all = all + 1 end
  if all ~= size then error("a list has other keys, or gaps", 0) end
  out:put "["
  for i = 1, size do
    local value = rawget(list, i)
    if value == nil then error("a list has other keys, or gaps", 0) end
    if i > 1 then out:put "," end
    put_value(out, value, depth)
  end
  out:put "]"
end

local function put_object(out, object, depth)
  local names, size = {}, 0
  for name in pairs(object) do
    size = size + 1
    names[size] = name
    if type(name) ~= "string" then error("a table mixes names and numbers as keys", 0) end
  end
  if size > 1 then table.sort(names) end
  out:put "{"
  for i = 1, size do
    local name = names[i]
    if i > 1 then out:put "," end
    out:put(known[name] or written_name(name))
    put_value(out, object[name], depth)
  end
  out:put "}"
end

-- What is read as the same number again.  LuaJIT itself writes 14 digits, which is enough for most.
local function put_number(out, value)
  local size = value % 1 == 0 and math.abs(value) or math.huge
  if size < 1e14 then return out:put(value) end
  if size < 2 ^ 53 then return out:put(("%.0f"):format(value)) end
  local text = ("%.14g"):format(value)
  out:put(tonumber(text) == value and text or ("%.17g"):format(value))
end

local function put_plain(out, value, kind)
  if kind == "string" then return out:put(encode_text(value)) end
  if kind == "number" and value - value == 0 then return put_number(out, value) end -- else it is none, or has no end
  local text, why = cjson.encode(value)
  out:put(text or error(why, 0))
end

function put_value(out, value, depth)
  local kind = type(value)
  if kind ~= "table" then return put_plain(out, value, kind) end
  if depth == DEPTH then error("more than " .. DEPTH .. " nested tables", 0) end
  if getmetatable(value) == array.__metatable or #value > 0 then return put_list(out, value, depth + 1) end
  return put_object(out, value, depth + 1)
end

--- The text of a value, or nil and what cannot be written (functions, NaN, too deep a nesting).
function json.encode(value)
  local out = spare or buffer.new()
  spare = nil
  local ok, why = protected.pcall(put_value, out, value, 0)
  if not ok then return nil, "json: " .. tostring(why) end
  local text = out:get()
  if #text <= KEPT then spare = out end
  return text
end

return json
