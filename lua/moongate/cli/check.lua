--- check: says whether a config could run, what becomes of each resource, and every mistake.
local load = require "moongate.cli.load"
local resources = require "moongate.cli.resources"
local status = require "moongate.cli.status"

local check = {}

local OPTIONS = {
  status = { key = "status", type = "flag" },
  json = { key = "json", type = "flag" },
}
for name, option in pairs(load.OPTIONS) do OPTIONS[name] = option end

check.usage = "check PATH..."
check.summary = "check a config: what becomes of each resource, and all that is wrong"

local function count(map)
  local total = 0
  for _ in pairs(map) do total = total + 1 end
  return total
end

local function plural(number, noun)
  return ("%d %s%s"):format(number, noun, number == 1 and "" or "s")
end

--- @return 0, or 1 when the config has mistakes (they are on the error stream), or 2 for bad usage
function check.main(words, streams)
  local values, err = load.options(words, OPTIONS)
  if not values then return streams.refuse(err, check) end
  if values.status then return status.main(values, streams) end
  values.on_objects = function(objects) streams.out(resources.text(objects)) end
  local model = load.model(values, streams.err, true)
  if not model then return 1 end
  streams.out(("ok: %s, %s, %s\n"):format(plural(#model.listeners, "listener"), plural(#model.routes, "route"),
    plural(count(model.services), "service")))
  return 0
end

return check
