--- lua: an exported tree (moongate.export) as a config in Lua.
local RESERVED = {}
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true "
  .. "until while"):gmatch "%a+" do RESERVED[word] = true end

local WIDE = 100 -- what is shorter stands on one line

local function text_of(value)
  if type(value) == "string" then
    if value:find("\n", 1, true) and not value:find("]]", 1, true) and not value:find("\r", 1, true) then
      return "[[\n" .. value .. "]]"
    end
    return (("%q"):format(value):gsub("\\\n", "\\n"))
  end
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then return ("%d"):format(value) end
  return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

local function key_text(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not RESERVED[key] then return key end
  return ("[%s]"):format(text_of(key))
end

local show

-- The parts of a table, each a text without a comma; the second value says which are comments.
local function parts_of(node, indent)
  local parts = {}
  for _, item in ipairs(node) do
    if node.kind == "list" then
      parts[#parts + 1] = { show(item, indent) }
    else
      local text = ("%s = %s"):format(key_text(item[1]), show(item[2], indent))
      parts[#parts + 1] = { text, apart = node.apart and node.apart[item[1]] }
    end
  end
  return parts
end

local function one_line(parts, at)
  local texts, size = {}, 0
  for i, part in ipairs(parts) do
    texts[i] = part[1]
    size = size + #part[1] + 2
    if part.apart or part[1]:find("\n", 1, true) then return nil end
  end
  if size > WIDE or at and #parts > 3 then return nil end
  return #texts == 0 and "{}" or "{ " .. table.concat(texts, ", ") .. " }"
end

local function table_of(parts, at, indent)
  local short = one_line(parts, at)
  if short then return short end
  local lines = { at and "{ -- " .. at or "{" }
  for _, part in ipairs(parts) do
    -- What this form of a config has no word for is still said.
    local text = part.apart and "-- " .. part[1]:gsub("%s*\n%s*", " ") or part[1] .. ","
    lines[#lines + 1] = indent .. "  " .. text
  end
  lines[#lines + 1] = indent .. "}"
  return table.concat(lines, "\n")
end

function show(node, indent)
  if type(node) ~= "table" then return text_of(node) end
  local inner = indent .. "  "
  if node.kind ~= "use" then return table_of(parts_of(node, inner), node.at, indent) end
  local parts = parts_of(node.settings, inner)
  table.insert(parts, 1, { text_of(node.name) })
  return table_of(parts, node.at, indent)
end

--- The text of a config that returns the tree.
return function(tree)
  return "return " .. show(tree, "") .. "\n"
end
