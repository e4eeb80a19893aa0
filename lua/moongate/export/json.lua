--- json: an exported tree (moongate.export) as JSON, one field a line, in the tree's order.
local json = require "moongate.json"

local show

local function wrap(open, close, parts, indent)
  if #parts == 0 then return open .. close end
  local inner = indent .. "  "
  return open .. "\n" .. inner .. table.concat(parts, ",\n" .. inner) .. "\n" .. indent .. close
end

local function pair(key, node, indent)
  return ("%s: %s"):format(json.encode(tostring(key)), show(node, indent))
end

function show(node, indent)
  if type(node) ~= "table" then return (json.encode(node):gsub("\\/", "/")) end
  local parts, inner = {}, indent .. "  "
  if node.kind == "list" then
    for i, item in ipairs(node) do parts[i] = show(item, inner) end
    return wrap("[", "]", parts, indent)
  end
  if node.kind == "use" then
    parts[1] = pair("policy", node.name, inner)
    if node.at then parts[2] = pair("at", node.at, inner) end
    parts[#parts + 1] = pair("settings", node.settings, inner)
    return wrap("{", "}", parts, indent)
  end
  if node.at then parts[1] = pair("at", node.at, inner) end
  for _, entry in ipairs(node) do
    if entry[1] ~= "at" then parts[#parts + 1] = pair(entry[1], entry[2], inner) end
  end
  return wrap("{", "}", parts, indent)
end

--- The JSON text of a tree.
return function(tree)
  return show(tree, "") .. "\n"
end
