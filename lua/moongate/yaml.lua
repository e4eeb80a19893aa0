--- Reads YAML (and so JSON) into plain Lua tables that remember where every value stood.
local events = require "moongate.yaml_events"

local yaml = {}

--- What a null is; never nil, so that `key: ~` can be told from no key.
yaml.null = events.null

--- Reads every document of a text.
-- @param text string
-- @param limits table or nil: { depth = 64, nodes = 2000000, bytes = 64 MiB }
-- @return array of { value =, line =, nulls = whether a null is in it } and the marks for line_of(); or nil and
-- { line, column, message }
yaml.parse = events.parse

--- Tells a list from a mapping, also when both are empty.
function yaml.is_list(value)
  return getmetatable(value) == events.list
end

--- Line on which a mapping or a list begins.
function yaml.line(marks, value)
  return events.line(marks, value, 0)
end

--- Line of the deepest step of `path` that the text holds.
-- @param marks table from parse()
-- @param value the document's value
-- @param path array of keys and indexes (from 1)
-- @return number or nil when not even the first step exists
function yaml.line_of(marks, value, path)
  local line
  for _, step in ipairs(path) do
    local found = type(value) == "table" and events.line(marks, value, step)
    if not found then break end
    line, value = found, value[step]
  end
  return line
end

return yaml
