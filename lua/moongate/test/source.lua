--- source: a config given as a table, as the text of a config in Lua: so that it is read as any other.
local source = {}

local function value_text(value, indent, seen)
  local kind = type(value)
  if kind == "string" then return (("%q"):format(value):gsub("\\\n", "\\n"):gsub("\r", "\\r")) end
  if kind == "number" then return ("%.17g"):format(value) end
  if kind == "boolean" then return tostring(value) end
  if kind ~= "table" then error("a config holds no " .. kind, 0) end
  if seen[value] then error("a config holds a table that holds itself", 0) end
  seen[value] = true
  local lines, inner = { "{" }, indent .. "  "
  for key, item in pairs(value) do
    local name = type(key) == "number" and "" or ("[%q] = "):format(key)
    lines[#lines + 1] = inner .. name .. value_text(item, inner, seen) .. ","
  end
  seen[value] = nil
  lines[#lines + 1] = indent .. "}"
  return table.concat(lines, "\n")
end

--- The text of `config`.
function source.text(config)
  return "return " .. value_text(config, "", {}) .. "\n"
end

return source
