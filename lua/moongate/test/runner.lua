--- runner: runs specs with busted, which has to be installed (Debian: lua-busted): it is not part of moongate.
local runner = {}

local function count_into(busted, counts)
  busted.subscribe({ "error" }, function() counts.errors = counts.errors + 1 return nil, true end)
  busted.subscribe({ "failure" }, function() counts.failures = counts.failures + 1 return nil, true end)
  busted.subscribe({ "test", "end" }, function() counts.tests = counts.tests + 1 return nil, true end)
end

local function report(busted, name, arguments)
  require("busted.modules.output_handler_loader")()(busted, name, { defaultOutput = "plainTerminal", language = "en",
    arguments = arguments })
end

--- Whether busted is there; if not, why.
function runner.available()
  local ok, err = pcall(require, "busted.core")
  return ok, not ok and tostring(err):match("^[^\n]*") or nil
end

local PATTERNS, HOW = { "_spec%.lua$" }, { excludes = {}, recursive = true }

--- The folders that hold the specs in the files and folders `paths`, each once.
function runner.folders(paths)
  local _, _, find = require "busted.modules.test_file_loader"(require "busted.core"(), { "lua" })
  local folders, known = {}, {}
  for _, file in ipairs(find(paths, PATTERNS, HOW)) do
    local folder = file:match("^(.*)/[^/]*$") or "."
    if not known[folder] then folders[#folders + 1] = folder end
    known[folder] = true
  end
  return folders
end

--- Runs the specs in the files and folders `paths`.
-- @param given { junit = file or nil, seed = number, before = function() called when everything is loaded }
-- @return { tests =, failures =, errors = }, or nil when there is no spec
function runner.run(paths, given)
  local busted = require "busted.core"()
  require "busted"(busted)
  local load_files, _, find = require "busted.modules.test_file_loader"(busted, { "lua" })
  if #find(paths, PATTERNS, HOW) == 0 then return nil end
  local counts = { tests = 0, failures = 0, errors = 0 }
  count_into(busted, counts)
  busted.randomseed = given.seed
  report(busted, "plainTerminal", {})
  if given.junit then report(busted, "junit", { given.junit }) end
  require "busted.luajit"()
  load_files(paths, PATTERNS, HOW)
  given.before()
  require "busted.execute"(busted)(1, { seed = given.seed })
  busted.publish { "exit" }
  return counts
end

return runner
