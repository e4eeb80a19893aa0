--- options: reads the words of a command line.
local suggest = require "moongate.suggest"

local options = {}

local readers = {}

function readers.text(value) return value end

function readers.flag() return true end

function readers.count(value)
  return value:find("^%d+$") and tonumber(value) or nil, "a number"
end

local function read_option(known, values, name, value)
  local kind = known[name]
  local read, expected = readers[kind.type](value)
  if read == nil or kind.min and read < kind.min or kind.max and read > kind.max then
    local range = kind.min and (" from %d to %d"):format(kind.min, kind.max) or ""
    return ("--%s: expected %s%s, got %q"):format(name, expected, range, value)
  end
  if kind.list then
    values[kind.key] = values[kind.key] or {}
    table.insert(values[kind.key], read)
  elseif values[kind.key] ~= nil then
    return ("--%s stands twice"):format(name)
  else
    values[kind.key] = read
  end
end

--- Splits words into options and the rest; "--name value" and "--name=value" are alike, "--" ends the options.
-- @param known map of name to { key =, type = "text", "count" or "flag" (which takes no value), min =, max =,
-- list = true if repeatable }
-- @return values by key, array of the other words; or nil and what is wrong
function options.parse(words, known)
  local values, rest, i = {}, {}, 1
  while i <= #words do
    local word = words[i]
    local name, value = word:match("^%-%-([^=]+)=?(.*)$")
    if word == "--" then
      for j = i + 1, #words do rest[#rest + 1] = words[j] end
      break
    elseif word:find("^%-.") then
      if not name or not known[name] then
        local hint = suggest.nearest(name or word, suggest.keys(known))
        return nil, ("unknown option '%s'%s"):format(word, hint and ("; did you mean '--%s'?"):format(hint) or "")
      end
      if known[name].type == "flag" then
        if word:find("=", 1, true) then return nil, ("--%s: takes no value"):format(name) end
      elseif not word:find("=", 1, true) then
        i = i + 1
        value = words[i]
      end
      if not value then return nil, ("--%s: expected a value"):format(name) end
      local err = read_option(known, values, name, value)
      if err then return nil, err end
    else
      rest[#rest + 1] = word
    end
    i = i + 1
  end
  return values, rest
end

return options
