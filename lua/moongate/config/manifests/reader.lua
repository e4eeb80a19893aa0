--- Reads manifest files into checked objects; every mistake is noted with its line, none stops the rest.
local schema = require "moongate.schema"
local yaml = require "moongate.yaml"
local kinds = require "moongate.config.manifests.kinds"
local object = require "moongate.config.manifests.object"

local reader = {}

local function read_file(path)
  local file, why = io.open(path, "rb")
  if not file then return nil, why:gsub("^.-: ", "") end
  local text, read_why = file:read("*a")
  file:close()
  return text, read_why
end

--- A null field is an absent one, as the API server has it; a null in a list stands for nothing.
local function drop_nulls(obj, value, path)
  for key, item in pairs(value) do
    path[#path + 1] = key
    if item == yaml.null then
      if yaml.is_list(value) then obj:refuse(path, "expected a value, found null") end
      value[key] = nil
    elseif type(item) == "table" then
      drop_nulls(obj, item, path)
    end
    path[#path] = nil
  end
end

local check_marks

local function check_field(obj, field, value, path)
  if field.later then
    obj:refuse(path, "is not supported yet")
  elseif field.ignored then
    obj:ignore(path)
  elseif field.type == "duration" and type(value) == "number" then
    obj:refuse(path, ("expected a duration such as \"5s\", found the number %s"):format(value))
  elseif type(value) ~= "table" then
    return
  elseif next(value) == nil and field.fields and yaml.is_list(value) then
    obj:refuse(path, "expected a mapping, found a list")
  elseif next(value) == nil and field.type == "list" and not yaml.is_list(value) then
    obj:refuse(path, "expected a list, found a mapping")
  elseif field.fields then
    check_marks(obj, field.fields, value, path)
  end
  for key, item in pairs((field.items or field.values) and value or {}) do
    path[#path + 1] = key
    check_field(obj, field.items or field.values, item, path)
    path[#path] = nil
  end
end

--- What the schema cannot know: fields refused by name, and whether an empty table was [] or {}.
function check_marks(obj, fields, value, path)
  for _, field in ipairs(fields) do
    local item = value[field[1]]
    if item ~= nil then
      path[#path + 1] = field[1]
      check_field(obj, field, item, path)
      path[#path] = nil
    end
  end
end

local function check_object(obj, raw)
  local version, kind = raw.apiVersion, raw.kind
  if type(version) ~= "string" or type(kind) ~= "string" then
    return obj:refuse({}, "expected a Kubernetes object with apiVersion and kind")
  end
  local definition, step, why = kinds.find(version, kind)
  local metadata = type(raw.metadata) == "table" and raw.metadata or {}
  table.insert(obj.notes.objects, obj)
  obj.kind, obj.name = kind, type(metadata.name) == "string" and metadata.name or "(without a name)"
  if not definition then return obj:refuse({ step }, why) end

  local before = #obj.notes.errors
  drop_nulls(obj, raw, {})
  check_marks(obj, definition.fields, raw, {})
  local checked = schema.check(definition.fields, raw, {}, function(path, message) obj:refuse(path, message) end)
  if #obj.notes.errors > before then return end
  obj.group, obj.name = definition.group, checked.metadata.name
  obj.namespace = not definition.cluster_scoped and (checked.metadata.namespace or "default") or nil
  obj.labels, obj.annotations = checked.metadata.labels, checked.metadata.annotations
  obj.body, obj.spec = checked, checked.spec
  return obj
end

local function add_object(objects, obj, raw)
  if type(raw) ~= "table" or yaml.is_list(raw) then
    return obj:refuse({}, "expected a Kubernetes object, found " .. (yaml.is_list(raw) and "a list" or type(raw)))
  end
  if raw.kind == "List" and raw.apiVersion == "v1" then
    for i, item in ipairs(type(raw.items) == "table" and raw.items or {}) do
      local line = obj:line_of { "items", i }
      add_object(objects, object.new { file = obj.file, line = line, raw = item, marks = obj.marks, notes = obj.notes },
        item)
    end
    return
  end
  objects[#objects + 1] = check_object(obj, raw)
end

local function read_text(objects, path, text, notes)
  local documents, marks = yaml.parse(text)
  if not documents then
    table.insert(notes.errors, { file = path, line = marks.line, message = "not YAML: " .. marks.message })
    return
  end
  for _, document in ipairs(documents) do
    local raw = document.value
    if raw ~= yaml.null then -- an empty document, between two '---'
      add_object(objects, object.new { file = path, line = document.line, raw = raw, marks = marks, notes = notes },
        raw)
    end
  end
end

--- Every object of the files, in order of appearance.
-- @param files array of paths
-- @param notes { errors = {}, warnings = {}, objects = {} }, filled with { file =, line =, message = } and all objects
-- @return array of object (see object.lua), those without mistakes
function reader.read(files, notes)
  local objects = {}
  for _, file in ipairs(files) do
    local text, why = read_file(file)
    if text then
      read_text(objects, file, text, notes)
    else
      table.insert(notes.errors, { file = file, line = 1, message = "cannot be read: " .. tostring(why) })
    end
  end
  return objects
end

return reader
