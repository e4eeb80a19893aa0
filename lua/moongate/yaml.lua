--- Reads YAML (and so JSON) into plain Lua tables that remember where every value stood.
local events = require "moongate.yaml_events"

local yaml = {}

--- What a null is; never nil, so that `key: ~` can be told from no key.
yaml.null = events.null

--- Reads every document of a text.
-- @param text string
-- @param limits table or nil: { depth = 64, nodes = 2000000, bytes = 64 MiB }
-- @return array of { value =, line =, mark =, nulls = whether a null is in it } and the marks, which know with `mark`
-- where everything of a document stands, whatever becomes of its value; or nil and { line, column, message }
yaml.parse = events.parse

--- Tells a list from a mapping, also when both are empty.
function yaml.is_list(value)
  return getmetatable(value) == events.list
end

--- Line on which the mapping or list begins that has this mark.
function yaml.line(marks, mark)
  return (events.line(marks, mark, 0))
end

--- Line of the deepest step of `path` that the text holds, and the mark of what stands there (0: a scalar).
-- @param marks from parse()
-- @param mark of a document or of a part of it
-- @param path array of keys and indexes (from 1)
-- @return nil when not even the first step exists
function yaml.line_of(marks, mark, path)
  local line
  for i = 1, #path do
    if mark == 0 then break end
    local found, inner = events.line(marks, mark, path[i])
    if not found then break end
    line, mark = found, inner
  end
  return line, mark
end

--- The marks of what a list holds, in order.
yaml.items = events.items

return yaml
