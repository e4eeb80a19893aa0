--- describe: writes a list of schema fields as text, for help and docs.
local describe = {}

local function quote(value)
  return type(value) == "string" and ("%q"):format(value) or tostring(value)
end

local function type_text(field)
  local text = type(field.type) == "table" and table.concat(field.type, " or ") or field.type
  if field.items then text = text .. " of " .. type_text(field.items) end
  if field.values then text = text .. " of names to " .. type_text(field.values) end
  return text
end

local function notes(field)
  local list = { type_text(field) }
  if field.required then list[#list + 1] = "required" end
  if field.default ~= nil and type(field.default) ~= "table" then
    list[#list + 1] = "default " .. quote(field.default)
  end
  if field.min then list[#list + 1] = "at least " .. field.min end
  if field.max then list[#list + 1] = "at most " .. field.max end
  if field.one_of then list[#list + 1] = "one of " .. table.concat(field.one_of, ", ") end
  return table.concat(list, "; ")
end

local function nested(field)
  while not field.fields and (field.items or field.values) do field = field.items or field.values end
  return field.fields
end

local function add(fields, indent, lines)
  for _, field in ipairs(fields) do
    lines[#lines + 1] = ("%s%s (%s)%s"):format(indent, field[1], notes(field), field.doc and ": " .. field.doc or "")
    local inner = nested(field)
    if inner then add(inner, indent .. "  ", lines) end
  end
  return lines
end

--- Lines of text, one a field, the fields inside a record indented below it.
function describe.fields(fields)
  return add(fields, "", {})
end

return describe
