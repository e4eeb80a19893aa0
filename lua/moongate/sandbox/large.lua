--- large: functions that make much of little.  What they ask for may be refused (core/script/budget.h), which LuaJIT
-- takes well in the interpreter alone: so calls for more than a little are not compiled.
local concat, rep = table.concat, string.rep

local large = {}

local core = package.preload["moongate.bounds"] and require "moongate.bounds" or nil
local concat_interpreted = core and core.interpreted(concat) or concat
local rep_interpreted = core and core.interpreted(rep) or rep

local BYTES = 1048576 -- compiled code makes so many,
local PARTS = 64 -- or of so many strings one

--- As string.rep.
function large.rep(subject, count, between)
  if between or type(subject) == "string" and type(count) == "number" and #subject * count > BYTES then
    return rep_interpreted(subject, count, between)
  end
  return rep(subject, count)
end

--- As table.concat.
function large.concat(list, between, first, last)
  if last or type(list) == "table" and #list > PARTS then return concat_interpreted(list, between, first, last) end
  return concat(list, between, first)
end

return large
