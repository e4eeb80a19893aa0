--- config: prints the model that a config stands for, defaults filled in, whatever form the config has.
local export = require "moongate.export"
local load = require "moongate.cli.load"

local config = {}

config.usage = "config PATH... [--json]"
config.summary = "print what a config stands for, as Lua or JSON"

--- @return 0, or 1 when the config has mistakes (they are on the error stream), or 2 for bad usage
function config.main(words, streams)
  local rest, as = {}, "lua"
  for _, word in ipairs(words) do
    if word == "--json" then as = "json" else rest[#rest + 1] = word end
  end
  local values, err = load.options(rest)
  if not values then return streams.refuse(err, config) end
  local model = load.model(values, streams.err)
  if not model then return 1 end
  streams.out(require("moongate.export." .. as)(export.tree(model)))
  return 0
end

return config
