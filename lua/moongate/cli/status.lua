--- status: `check --status`: prints the conditions that a cluster would show for the Gateway API's objects.
local config = require "moongate.config"
local json = require "moongate.json"
local yaml_text = require "moongate.yaml_text"

local status = {}

--- @param values of load.options(), with json = whether JSON is wanted in place of YAML
-- @return 0, or 1 when the config has mistakes (they are on the error stream; what could be judged is printed)
function status.main(values, streams)
  local items, errors = config.status(values.paths, values)
  for _, entry in ipairs(errors) do streams.err(config.message(entry) .. "\n") end
  if items then
    local list = { apiVersion = "v1", kind = "List", items = items }
    streams.out(values.json and assert(json.encode(list)) .. "\n" or yaml_text.encode(list))
  end
  return #errors == 0 and 0 or 1
end

return status
