--- status: `check --status`: prints the conditions that a cluster would show for the Gateway API's objects.
local config = require "moongate.config"
local json = require "moongate.json"
local yaml_text = require "moongate.yaml_text"

local status = {}

-- Asks the core whether this machine has an address; nil where it is not there (unit specs), or where --bind says
-- what is bound in place of what the files say.
local function asker(values)
  if values.bind or not package.loaded["moongate.cdef"] then return nil end
  local abi = require "moongate.abi"
  return function(ip) return abi.C.mg_address_is_here(ip) end
end

--- @param values of load.options(), with json = whether JSON is wanted in place of YAML
-- @return 0, or 1 when the config has mistakes (they are on the error stream; what could be judged is printed)
function status.main(values, streams)
  values.is_here = asker(values)
  local items, errors = config.status(values.paths, values)
  for _, entry in ipairs(errors) do streams.err(config.message(entry) .. "\n") end
  if items then
    local list = { apiVersion = "v1", kind = "List", items = items }
    streams.out(values.json and assert(json.encode(list)) .. "\n" or yaml_text.encode(list))
  end
  return #errors == 0 and 0 or 1
end

return status
