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
  ["live"] = { key = "live", type = "flag" },
  ["update-golden"] = { key = "update_golden", type = "flag" },
}

-- A policy is looked for beside its spec, too, and in the folder that is to be tested.
local function add_paths(values, paths, spec_folders)
  local list = { unpack(values.policy_path or {}) }
  for _, path in ipairs(paths) do
    list[#list + 1] = folder.list(path) and path:gsub("(.)/+$", "%1") or path:match("^(.*)/[^/]*$") or "."
  end
  for _, path in ipairs(spec_folders) do list[#list + 1] = path end
  for _, path in ipairs(list) do policy.add_path(path) end
  return list
end

local function path_error(paths)
  for _, path in ipairs(paths) do
    local file = io.open(path, "r")
    if not file then return ("no such file or folder: %s"):format(path) end
    file:close()
  end
end

-- What stays loaded while busted forgets what each file has loaded, so that it is there once.
local function load_kit(seed, driver)
  require("moongate.test.world").open(seed)
  require("moongate.test").setup { seed = seed, driver = driver }
  require "moongate.http"
  require("moongate.test.order").install()
end

-- How gateways are made: in this process, or as processes of their own.
local function driver_of(live, folders)
  if not live then return require "moongate.test.inside" end
  local there, driver = pcall(require, "moongate.test.live")
  if not there then return nil, "moongate: --live needs luasocket (Debian: apt install lua-socket)\n" end
  driver.setup(folders)
  return driver
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
  if values.live and values.coverage then
    return streams.refuse("--coverage counts lines of this process; with --live policies run in another", test)
  end
  local err = path_error(paths)
  if err then return streams.refuse(err, test) end
  local runner = require "moongate.test.runner"
  local there, why = runner.available()
  if not there then
    streams.err(("moongate: test needs busted (Debian: apt install lua-busted): %s\n"):format(why))
    return 2
  end
  local folders = add_paths(values, paths, runner.folders(paths))
  local driver, lacks = driver_of(values.live, folders)
  if not driver then
    streams.err(lacks)
    return 2
  end
  local coverage = values.coverage and require "moongate.test.coverage"
  local report = values.junit and os.tmpname()
  load_kit(values.seed or 1, driver)
  require("moongate.test.golden").update = values.update_golden or false
  local ok, counts = pcall(runner.run, paths, { junit = report, seed = values.seed or 1,
    before = coverage and coverage.start or function() end })
  debug.sethook()
  if driver.stop then driver.stop() end
  if not ok then error(counts, 0) end
  if report and not write(values.junit, require("moongate.test.junit").take(report), streams) then return 1 end
  if not counts then return streams.refuse("no spec (*_spec.lua) in " .. table.concat(paths, ", "), test) end
  if counts.tests + counts.failures + counts.errors == 0 then
    return streams.refuse("no test stands in " .. table.concat(paths, ", "), test)
  end
  if coverage then
    streams.out(coverage.summary())
    if not write(values.coverage, coverage.lcov(), streams) then return 1 end
  end
  return counts.failures + counts.errors > 0 and 1 or 0
end

return test
