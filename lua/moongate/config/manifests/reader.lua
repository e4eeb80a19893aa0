--- Reads manifest files into checked objects; every mistake is noted with its line, none stops the rest.
local schema = require "moongate.schema"
local sources = require "moongate.config.sources"
local yaml = require "moongate.yaml"
local kinds = require "moongate.config.manifests.kinds"
local object = require "moongate.config.manifests.object"

local reader = {}

local NOTHING = {}
local DRY_RUN = "istio.io/dry-run"

-- What is known of the child `key` of a value that `field` describes.
local function child_of(field, key)
  if field.items or field.values then return field.items or field.values end
  for _, one in ipairs(field.fields or NOTHING) do
    if one[1] == key then return one end
  end
  return NOTHING
end

-- A null field is an absent one, as the API server has it. A null in a list or a map (of labels, say) stands for
-- nothing: without it the rest would say something else.
local function drop_nulls(obj, value, path, field)
  for key, item in pairs(value) do
    path[#path + 1] = key
    if item == yaml.null then
      if yaml.is_list(value) or field.type == "map" then obj:refuse(path, "expected a value, found null") end
      value[key] = nil
    elseif type(item) == "table" then
      drop_nulls(obj, item, path, child_of(field, key))
    end
    path[#path] = nil
  end
end

local CHECKED = { string = "string", duration = "string", list = "table" } -- by type of field: what its check takes

local function run_check(obj, field, value, at)
  if type(value) ~= CHECKED[field.type] then return end -- which the schema says
  local why, index = field.check(value)
  if not why then return end
  local path = schema.path(at)
  path[#path + 1] = index
  obj:refuse(path, why)
end

-- Neither Istio nor the Gateway API takes a part of a millisecond.
local function is_too_fine(text)
  return text:find "us" or text:find "%.%d*[1-9]%d*ms" or text:find "%.%d%d%d%d*[1-9]%d*s"
end

-- What the schema cannot know: fields refused by name, those without effect, and whether an empty table was [] or {}.
local function looker(obj)
  return function(field, value, at)
    if field.check then run_check(obj, field, value, at) end
    if field.later then
      obj:refuse(schema.path(at), "is not supported yet")
    elseif field.ignored then
      obj:ignore(schema.path(at))
    elseif field.type == "duration" and type(value) == "number" then
      obj:refuse(schema.path(at), ("expected a duration such as \"5s\", found the number %s"):format(value))
    elseif field.type == "duration" and type(value) == "string" and is_too_fine(value) then
      obj:refuse(schema.path(at), ("expected whole milliseconds, got %q"):format(value))
    elseif type(value) ~= "table" or next(value) ~= nil then
      return
    elseif field.fields and yaml.is_list(value) then
      obj:refuse(schema.path(at), "expected a mapping, found a list")
    elseif field.type == "list" and not yaml.is_list(value) then
      obj:refuse(schema.path(at), "expected a list, found a mapping")
    end
  end
end

-- Nothing but an AuthorizationPolicy can be on trial: whoever asks for it would get what counts.
local function check_trial(obj)
  if obj.annotations[DRY_RUN] and obj.group:find "%.istio%.io$" and obj.kind ~= "AuthorizationPolicy" then
    obj:refuse({ "metadata", "annotations", DRY_RUN }, "stands at an AuthorizationPolicy only")
  end
end

local function check_object(obj, raw)
  local version, kind = raw.apiVersion, raw.kind
  local fault = type(version) ~= "string" and "apiVersion" or type(kind) ~= "string" and "kind"
  if fault then return obj:refuse({ fault }, "expected a Kubernetes object with apiVersion and kind") end
  local definition, step, why = kinds.find(version, kind)
  local metadata = type(raw.metadata) == "table" and raw.metadata or {}
  table.insert(obj.notes.objects, obj)
  obj.kind, obj.name = kind, type(metadata.name) == "string" and metadata.name or "(without a name)"
  if not definition then return obj:refuse({ step }, why) end

  local before = #obj.notes.errors
  if obj.nulls then drop_nulls(obj, raw, {}, definition) end
  local checked = schema.check(definition.fields, raw, {}, function(path, message) obj:refuse(path, message) end,
    looker(obj))
  if #obj.notes.errors > before then return end
  obj.group, obj.name = definition.group, checked.metadata.name
  obj.namespace = not definition.cluster_scoped and (checked.metadata.namespace or "default") or nil
  obj.labels, obj.annotations = checked.metadata.labels, checked.metadata.annotations
  obj.body, obj.spec = checked, checked.spec
  check_trial(obj)
  return obj
end

local add_object

-- Where a plain text or the like stands is known by counting from the start of its list, so that is done once a list.
local function refuse_plain(obj, items, plain)
  local more = #plain > 1 and (", and so are %d more of the list"):format(#plain - 1) or ""
  obj:refuse({ "items", plain[1] }, ("expected a Kubernetes object, found a %s%s"):format(
    items[plain[1]] == yaml.null and "null" or type(items[plain[1]]), more))
end

-- v1 List, and the lists by kind that an API server answers with (HTTPRouteList, ...).
local function add_list(objects, obj, raw)
  if type(raw.apiVersion) ~= "string" then obj:refuse({}, "'apiVersion' is missing; expected a string") end
  for key in pairs(raw) do
    if key ~= "apiVersion" and key ~= "kind" and key ~= "metadata" and key ~= "items" then
      obj:refuse({ key }, ("unknown key '%s'; known are 'apiVersion', 'items', 'kind', 'metadata'"):format(key))
    end
  end
  if not yaml.is_list(raw.items) then return obj:refuse({ "items" }, "expected the list of objects") end
  local _, list = yaml.line_of(obj.marks, obj.mark, { "items" })
  local marks, plain = yaml.items(obj.marks, list), {}
  for i, item in ipairs(raw.items) do
    if marks[i] > 0 then
      add_object(objects, object.new { file = obj.file, line = yaml.line(obj.marks, marks[i]), marks = obj.marks,
        mark = marks[i], nulls = obj.nulls, notes = obj.notes }, item)
    else
      plain[#plain + 1] = i
    end
  end
  if plain[1] then refuse_plain(obj, raw.items, plain) end
end

function add_object(objects, obj, raw)
  if type(raw) ~= "table" or yaml.is_list(raw) then
    return obj:refuse({}, "expected a Kubernetes object, found " .. (yaml.is_list(raw) and "a list" or type(raw)))
  end
  if type(raw.kind) == "string" and raw.kind:find("List$") then return add_list(objects, obj, raw) end
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
      add_object(objects, object.new { file = path, line = document.line, marks = marks,
        mark = document.mark, nulls = document.nulls, notes = notes }, raw)
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
    local text, why = sources.read(file)
    if text then
      read_text(objects, file, text, notes)
    else
      table.insert(notes.errors, { file = file, line = 1, message = "cannot be read: " .. tostring(why) })
    end
  end
  return objects
end

return reader
