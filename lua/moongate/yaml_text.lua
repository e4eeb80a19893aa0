--- yaml_text: writes values as YAML, in the blocks and the order (by name) that kubectl prints.
local json = require "moongate.json"

local yaml_text = {}

-- Words that YAML 1.1 or 1.2 takes for something else than a text.
local WORDS = {}
for word in ("true false null yes no on off y n"):gmatch("%a+") do WORDS[word] = true end

local function scalar(value)
  if type(value) ~= "string" then return tostring(value) end
  if value:find("^%a[%w_./ -]*$") and not value:find(" $") and not WORDS[value:lower()] then return value end
  return assert(json.encode(value))
end

local function is_list(value)
  return #value > 0 or getmetatable(value) == getmetatable(json.array())
end

local write

-- What follows "key:" or stands behind "- ".
local function write_value(lines, prefix, value, indent)
  if type(value) ~= "table" then
    lines[#lines + 1] = prefix .. " " .. scalar(value)
  elseif next(value) == nil then
    lines[#lines + 1] = prefix .. (is_list(value) and " []" or " {}")
  else
    lines[#lines + 1] = prefix
    write(lines, value, indent)
  end
end

local function write_list(lines, list, indent)
  for _, item in ipairs(list) do
    local first = #lines + 1
    if type(item) == "table" and next(item) ~= nil then
      write(lines, item, indent .. "  ")
      lines[first] = indent .. "- " .. lines[first]:sub(#indent + 3)
    else
      write_value(lines, indent .. "-", item, indent)
    end
  end
end

local function write_map(lines, map, indent)
  local names = {}
  for name in pairs(map) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    local value = map[name]
    local deeper = type(value) == "table" and not is_list(value) and "  " or ""
    write_value(lines, indent .. scalar(name) .. ":", value, indent .. deeper)
  end
end

function write(lines, value, indent)
  if is_list(value) then return write_list(lines, value, indent) end
  write_map(lines, value, indent)
end

--- The text of a table of texts, numbers, booleans and tables of them (keys are texts; lists that may be empty are
-- those of json.array()).
function yaml_text.encode(value)
  local lines = {}
  write(lines, value, "")
  return table.concat(lines, "\n") .. "\n"
end

return yaml_text
