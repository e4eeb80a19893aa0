--- json_schema: a JSON Schema (draft 2020-12) of configs, from the fields that the config and the policies declare.
-- It is for the form that `moongate config --json` prints, in which a use of a policy is { policy =, settings = }.
local fields = require "moongate.config.fields"
local json = require "moongate.json"
local policy = require "moongate.policy"

local json_schema = {}

-- As moongate.units reads them.
local DURATION, SIZE = [[^(0|([0-9]+\.?[0-9]*(us|ms|s|m|h))+)$]], [[^[0-9]+\.?[0-9]*([KMG]i?B|B)?$]]

local schema_of, record_of

-- A text with a unit, or a number: in units of which the field has `per`, and of which alone bounds can be said.
local function with_unit(pattern, field, per)
  return { anyOf = { { type = "string", pattern = pattern },
    { type = "number", minimum = (field.min or 0) / per, maximum = field.max and field.max / per } } }
end

local kinds = {
  string = function(field) return { type = "string", minLength = field.min, maxLength = field.max } end,
  number = function(field) return { type = "number", minimum = field.min, maximum = field.max } end,
  integer = function(field) return { type = "integer", minimum = field.min, maximum = field.max } end,
  boolean = function() return { type = "boolean" } end,
  duration = function(field) return with_unit(DURATION, field, 1000) end,
  size = function(field) return with_unit(SIZE, field, 1) end,
  any = function() return {} end,
  code = function() return { type = "string" } end,
  ["function"] = function() return { ["not"] = {} } end, -- JSON has none
  list = function(field)
    return { type = "array", items = field.items and schema_of(field.items), minItems = field.min,
      maxItems = field.max }
  end,
  map = function(field)
    return { type = "object", additionalProperties = field.values and schema_of(field.values) }
  end,
  record = function(field) return record_of(field.fields) end,
}

function schema_of(field)
  local names = type(field.type) == "table" and field.type or { field.type }
  local list = {}
  for i, name in ipairs(names) do list[i] = kinds[name](field) end
  local result = #list == 1 and list[1] or { anyOf = list }
  if field[1] == "policies" then result = { type = "array", items = { ["$ref"] = "#/$defs/use" } } end
  result.description, result.enum = field.doc, field.one_of
  if type(field.default) ~= "table" then result.default = field.default end
  return result
end

function record_of(list)
  local properties, required = { at = { type = "string" } }, {}
  for _, field in ipairs(list) do
    properties[field[1]] = schema_of(field)
    if field.required then required[#required + 1] = field[1] end
  end
  return { type = "object", properties = properties, additionalProperties = false,
    required = #required > 0 and required or nil }
end

-- A use of one policy, with its settings or by its name alone.
local function use_of(name)
  local module = assert(policy.load(name))
  local settings = record_of(module.schema)
  for _, field in ipairs(policy.OF_A_USE) do settings.properties[field[1]] = schema_of(field) end
  if module.decides ~= false then settings.properties.on_error.enum = { "deny" } end
  return { type = "object", required = { "policy" }, additionalProperties = false,
    properties = { policy = { const = name }, settings = settings, at = { type = "string" } } }
end

local function uses()
  local list = { { type = "string", enum = policy.stock } }
  for _, name in ipairs(policy.stock) do list[#list + 1] = use_of(name) end
  -- A policy of one's own: nothing is known of its settings.
  list[#list + 1] = { type = "object", required = { "policy" },
    properties = { policy = { type = "string", ["not"] = { enum = policy.stock } } } }
  return { anyOf = list }
end

--- The schema as JSON.
function json_schema.text()
  local root = record_of(fields.config)
  root["$schema"], root.title = "https://json-schema.org/draft/2020-12/schema", "A config of moongate"
  root["$defs"] = { use = uses() }
  return assert(json.encode(root)):gsub("\\/", "/") .. "\n"
end

return json_schema
