--- text: the reference as text for people: all of it, a policy, a module, an object or a function.
local policies = require "moongate.reference.policies"
local policy = require "moongate.policy"
local reference = require "moongate.reference"
local suggest = require "moongate.suggest"

local text = {}

-- "moongate.Ctx" is ctx to those who ask; a module goes by its name, with or without "moongate.".
local function title(class)
  local short = class.name:gsub("^moongate%.", "")
  return short:find "^%l" and class.name or short:lower()
end

local function value_line(value, indent)
  return ("%s%s (%s%s)%s"):format(indent, value.name, value.type, value.optional and "; may be left out" or "",
    value.doc ~= "" and ": " .. value.doc or "")
end

local function add_function(lines, entry, indent)
  local types = {}
  for i, one in ipairs(entry.returns) do types[i] = one.type end
  local gives = #types > 0 and " -> " .. table.concat(types, ", ") or ""
  lines[#lines + 1] = indent .. entry.call .. gives
  lines[#lines + 1] = indent .. "    " .. entry.doc
  for _, param in ipairs(entry.params) do lines[#lines + 1] = value_line(param, indent .. "    ") end
end

local function add_class(lines, class)
  lines[#lines + 1] = title(class) .. ": " .. class.doc
  lines[#lines + 1] = ""
  for _, field in ipairs(class.fields) do lines[#lines + 1] = value_line(field, "  ") end
  for _, entry in ipairs(class.functions) do add_function(lines, entry, "  ") end
end

local function shown(lines)
  return table.concat(lines, "\n") .. "\n"
end

-- ---- one name -----------------------------------------------------------------------------

local function class_named(name)
  for _, class in ipairs(reference.classes()) do
    local short = class.name:gsub("^moongate%.", "")
    if name == class.name or name == short or name == title(class) then return class end
  end
end

-- The class that a path such as "ctx.req" leads to.
local function class_at(path)
  local class
  for name in path:gmatch "[^.]+" do
    if not class then
      class = class_named(name)
    else
      local kind
      for _, field in ipairs(class.fields) do kind = field.name == name and field.type or kind end
      class = kind and class_named((kind:gsub("%?$", "")))
    end
    if not class then return nil end
  end
  return class
end

-- A field or a function of a class: "ctx:sleep", "ctx.req.path", "http.request", "moongate.http.request".
local function member(name)
  local path, last = name:match "^(.*)[.:]([^.:]+)$"
  local class = path and (class_named(path) or class_at((path:gsub(":", "."))))
  if not class then return nil end
  local lines = {}
  for _, field in ipairs(class.fields) do
    if field.name == last then lines[1] = value_line(field, "") end
  end
  for _, entry in ipairs(class.functions) do
    if entry.name == last then add_function(lines, entry, "") end
  end
  return #lines > 0 and shown(lines) or nil
end

local function names()
  local list = { unpack(policy.stock) }
  for _, class in ipairs(reference.classes()) do
    list[#list + 1] = title(class)
    for _, entry in ipairs(class.functions) do list[#list + 1] = entry.call:match "^[^(]+" end
  end
  return list
end

--- What is said of a name: of a policy, a module, an object, a field or a function; or nil and why nothing is.
function text.of(name)
  local class = class_named(name) or class_at(name)
  local said = not class and member(name)
  if said then return said end
  local lines, err
  if not class or policies.lines(name) then
    lines, err = policies.lines(name)
    if not lines and err:find "^unknown policy" then
      local hint = suggest.hint(name, names())
      if hint == "" then hint = "; `moongate docs` prints all that has a name, --json-schema what a config may say" end
      return nil, ("nothing is called '%s'%s"):format(name, hint)
    end
    if not lines then return nil, err end
  end
  if class then
    lines = lines or {}
    if #lines > 0 then lines[#lines + 1] = "" end
    add_class(lines, class)
  end
  return shown(lines)
end

--- Everything: the API, then the policies that moongate brings.
function text.all()
  local lines = {}
  for _, class in ipairs(reference.classes()) do
    add_class(lines, class)
    lines[#lines + 1] = ""
  end
  for _, name in ipairs(policy.stock) do
    for _, line in ipairs(assert(policies.lines(name))) do lines[#lines + 1] = line end
    lines[#lines + 1] = ""
  end
  return table.concat(lines, "\n")
end

return text
