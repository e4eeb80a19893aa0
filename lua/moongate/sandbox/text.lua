--- text: the string functions of policies: the same as Lua's, only that none runs on and on in C.
-- Patterns that could are matched in Lua (moongate.sandbox.matcher), which a budget can stop, and functions that
-- string.gsub calls may wait.
local large = require "moongate.sandbox.large"
local matcher = require "moongate.sandbox.matcher"
local pattern = require "moongate.sandbox.pattern"

local find, gmatch, gsub, match, sub = string.find, string.gmatch, string.gsub, string.match, string.sub
local longest = pattern.longest

local text = {}

local PLAIN = 2e8 -- bytes compared in one call
local REPLACED = 8 -- times what string.find takes for a byte, where string.gsub replaces each

local function is_cheap(subject, given, everywhere, weight)
  return type(subject) ~= "string" or type(given) ~= "string" or #subject * (weight or 1) <= longest(given, everywhere)
end

-- The first position to look at, as Lua counts `init`; nil: none.
local function start_of(subject, init)
  init = tonumber(init or 1) or error("bad argument #3: number expected", 3)
  if init < 0 then init = math.max(#subject + init + 1, 1) end
  if init == 0 then init = 1 end
  return math.min(init, #subject + 1)
end

local function find_plain(subject, part, init)
  local first, size = sub(part, 1, 1), #part
  local at = find(subject, first, init, true)
  while at do
    if sub(subject, at, at + size - 1) == part then return at, at + size - 1 end
    at = find(subject, first, at + 1, true)
  end
end

-- What string.match gives, of what string.find gives.
local function matched(subject, first, last, ...)
  if not first then return nil end
  if select("#", ...) > 0 then return ... end
  return sub(subject, first, last)
end

--- As string.find.
function text.find(subject, given, init, plain)
  if plain then
    if type(subject) ~= "string" or type(given) ~= "string" or #subject * #given <= PLAIN then
      return find(subject, given, init, true)
    end
    return find_plain(subject, given, start_of(subject, init))
  end
  if is_cheap(subject, given) then return find(subject, given, init) end
  return matcher.find(subject, given, start_of(subject, init))
end

--- As string.match.
function text.match(subject, given, init)
  if is_cheap(subject, given) then return match(subject, given, init) end
  return matched(subject, matcher.find(subject, given, start_of(subject, init)))
end

--- As string.gmatch.
function text.gmatch(subject, given)
  if is_cheap(subject, given, true) then return gmatch(subject, given) end
  local at = 1
  local function step(first, last, ...)
    if not first then
      at = #subject + 2
      return nil
    end
    at = last >= first and last + 1 or first + 1
    return matched(subject, first, last, ...)
  end
  return function()
    if at > #subject + 1 then return nil end
    return step(matcher.find(subject, given, at, true))
  end
end

local function expand(replacement, whole, ...)
  local captures, count = { ... }, select("#", ...)
  return (gsub(replacement, "%%(.?)", function(char)
    if char == "0" then return whole end
    local index = tonumber(char)
    if not index then return char end
    if index == 1 and count == 0 then return whole end
    return captures[index] or error("invalid capture index", 0)
  end))
end

local function replaced(replacement, kind, whole, ...)
  local value
  if kind == "function" then
    if select("#", ...) > 0 then value = replacement(...) else value = replacement(whole) end
  elseif kind == "table" then
    value = replacement[select("#", ...) > 0 and (...) or whole]
  else
    return expand(replacement, whole, ...)
  end
  if not value then return whole end
  if type(value) ~= "string" and type(value) ~= "number" then
    error(("invalid replacement value (a %s)"):format(type(value)), 0)
  end
  return value
end

-- string.gsub in Lua.
local function substitute(subject, given, replacement, most)
  local kind, anchored = type(replacement), sub(given, 1, 1) == "^"
  local seek = is_cheap(subject, given) and find or matcher.find
  local parts, at, count = {}, 1, 0
  local function take(first, last, ...)
    if not first then return false end
    parts[#parts + 1] = sub(subject, at, first - 1)
    parts[#parts + 1] = replaced(replacement, kind, sub(subject, first, last), ...)
    count = count + 1
    at = last + 1
    if last < first then -- an empty match: on by one character
      parts[#parts + 1] = sub(subject, at, at)
      at = at + 1
    end
    return not anchored
  end
  while count < most and at <= #subject + 1 and take(seek(subject, given, at)) do end
  parts[#parts + 1] = sub(subject, at)
  return table.concat(parts), count
end

--- As string.gsub; a function may wait.
function text.gsub(subject, given, replacement, most)
  local kind = type(replacement)
  local plain = kind == "string" or kind == "number" or kind == "table" and not getmetatable(replacement)
  if type(given) ~= "string" or type(subject) ~= "string" or plain and is_cheap(subject, given, false, REPLACED) then
    return gsub(subject, given, replacement, most)
  end
  if kind == "number" then replacement = tostring(replacement) end
  if not plain and kind ~= "function" and kind ~= "table" then
    error("bad argument #3 to 'gsub' (string/function/table expected)", 2)
  end
  return substitute(subject, given, replacement, most or math.huge)
end

text.rep = large.rep
for _, name in ipairs { "byte", "char", "format", "len", "lower", "reverse", "sub", "upper" } do
  text[name] = string[name]
end

return text
