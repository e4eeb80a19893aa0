--- test: runs specs of policies inside this program.
local options = require "moongate.cli.options"
local folder = require "moongate.config.folder"
local policy = require "moongate.policy"

local test = {}

test.usage = "test [PATH...]"
test.summary = "run the specs (*_spec.lua) of policies"

local KNOWN = {
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
  ["seed"] = { key = "seed", type = "count", min = 0, max = 2147483646 },
  ["coverage"] = { key = "coverage", type = "text" },
  ["junit"] = { key = "junit", type = "text" },
  ["update-golden"] = { key = "update_golden", type = "flag" },
}

-- A policy is looked for beside its spec, too.
local function add_paths(values, paths)
  for _, path in ipairs(values.policy_path or {}) do policy.add_path(path) end
  for _, path in ipairs(paths) do
    policy.add_path(folder.list(path) and path:gsub("(.)/+$", "%1") or path:match("^(.*)/[^/]*$") or ".")
  end
end

local function path_error(paths)
  for _, path in ipairs(paths) do
    local file = io.open(path, "r")
    if not file then return ("no such file or folder: %s"):format(path) end
    file:close()
  end
end

-- What stays loaded while busted forgets what each file has loaded, so that it is there once.
local function load_kit(seed)
  local world = require "moongate.test.world"
  local kit = require "moongate.test"
  world.open(seed)
  kit.setup { seed = seed, driver = require "moongate.test.inside" }
  require "moongate.http"
  require("moongate.test.order").install()
end

local function write(path, text, streams)
  local file, err = io.open(path, "w")
  if not file then
    streams.err(("moongate: cannot write %s\n"):format(err))
    return false
  end
  file:write(text)
  return file:close()
end

--- @return 0 when all specs pass; 1 when one fails; 2 for bad usage, no busted, or nothing to run
function test.main(words, streams)
  local values, paths = options.parse(words, KNOWN)
  if not values then return streams.refuse(paths, test) end
  if #paths == 0 then paths[1] = "." end
  local err = path_error(paths)
  if err then return streams.refuse(err, test) end
  local runner = require "moongate.test.runner"
  local there, why = runner.available()
  if not there then
    streams.err(("moongate: test needs busted (Debian: apt install lua-busted): %s\n"):format(why))
    return 2
  end
  add_paths(values, paths)
  local coverage = values.coverage and require "moongate.test.coverage"
  load_kit(values.seed or 1)
  require("moongate.test.golden").update = values.update_golden or false
  local counts = runner.run(paths, { junit = values.junit, seed = values.seed or 1,
    before = coverage and coverage.start or function() end })
  if not counts then return streams.refuse("no spec (*_spec.lua) in " .. table.concat(paths, ", "), test) end
  debug.sethook()
  if coverage then
    streams.out(coverage.summary())
    if not write(values.coverage, coverage.lcov(), streams) then return 1 end
  end
  return counts.failures + counts.errors > 0 and 1 or 0
end

return test
