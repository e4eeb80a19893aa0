--- base: the part of Lua's own library that a policy gets, in tables of its own.
local control = require "moongate.sandbox.control"
local large = require "moongate.sandbox.large"
local sort = require "moongate.sandbox.sort"
local text = require "moongate.sandbox.text"

local base = {}

local function pick(from, names)
  local picked = {}
  for name in names:gmatch "%S+" do picked[name] = from[name] end
  return picked
end

local function with(into, more)
  for name, value in pairs(more) do into[name] = value end
  return into
end

-- Left out is what reaches around an environment (getfenv, setfenv, newproxy, collectgarbage, module), reads files
-- (dofile, loadfile, print's stdout) or changes what all share (math.randomseed).  rawset is safe: what policies share
-- are userdata (moongate.closed).
local GLOBALS = "assert error getmetatable ipairs next pairs rawequal rawget rawset select setmetatable tonumber "
  .. "tostring type unpack _VERSION"

local LONGEST_FORMAT = 256 -- bytes of os.date()'s: each of its items takes as long as a short function

local function date(format, time)
  if type(format) == "string" and #format > LONGEST_FORMAT then
    error(("os.date: a format of more than %d bytes"):format(LONGEST_FORMAT), 2)
  end
  return os.date(format, time)
end

local LAST_PLACE = 2 ^ 31 - 1 -- NaN and what is beyond become LuaJIT's least integer

-- At places before the first, LuaJIT's would move everything down to there, and nothing could stop it.
local function insert(list, at, ...)
  if select("#", ...) == 0 then return table.insert(list, at) end
  local place = tonumber(at) -- texts are taken as well
  if place and not (place >= 1 and place <= LAST_PLACE) then
    error("bad argument #2 to 'insert' (position out of bounds)", 2)
  end
  return table.insert(list, at, ...)
end

local LIBRARIES = {
  string = text,
  table = with(pick(table, "maxn move remove"), { concat = large.concat, insert = insert, sort = sort }),
  math = pick(math, "abs acos asin atan atan2 ceil cos cosh deg exp floor fmod frexp huge ldexp log log10 max min modf "
    .. "pi pow rad random sin sinh sqrt tan tanh"),
  bit = require "bit",
  os = with(pick(os, "clock difftime time"), { date = date }),
  coroutine = pick(control, "create resume running status wrap yield"),
}

--- Globals for one policy, which nobody else has.
function base.globals()
  local globals = with(pick(_G, GLOBALS), { pcall = control.pcall, xpcall = control.xpcall })
  for name, library in pairs(LIBRARIES) do globals[name] = with({}, library) end
  globals._G = globals
  return globals
end

--- A library's table for require: "bit" and the like; nil for what is none.
function base.library(globals, name)
  return LIBRARIES[name] and globals[name]
end

-- What methods of strings are looked up in is one for all, policies and moongate's own: the safe functions do for both.
local strings = debug.getmetatable ""
strings.__index, strings.__metatable = with({}, text), false

return base
