--- jobs: the list of everything that spec/run runs.
-- A job is { name =, command = for sh, reads = "counts", "busted" or "status" (how its output tells what passed),
-- waits = true when it mostly sleeps, so that it may run beside the others, skip = why it is not run }.
local process = require "spec.support.process"

local jobs = {}

local CORPUS = "../shared/acceptance/h1"
local BUSTED = "luajit /usr/bin/busted "

local function lines(command)
  local list = {}
  for line in process.read(command):gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

local function style(list)
  list[#list + 1] = { name = "clang-format", reads = "status",
    command = "find core spec -name '*.[ch]' -o -name '*.cc' | xargs clang-format --dry-run -Werror" }
  list[#list + 1] = { name = "lint", reads = "counts", command = "sh spec/lint core" }
  list[#list + 1] = { name = "luacheck", reads = "status", command = "luacheck -q --no-color ." }
  list[#list + 1] = { name = "layers", reads = "counts", command = "luajit spec/support/layers.lua" }
end

local function fuzz(list)
  list[#list + 1] = { name = "fuzz corpus", reads = "counts", command = "sh spec/fuzz/run 0" }
  list[#list + 1] = { name = "fuzz", reads = "counts", command = "sh spec/fuzz/run 5",
    skip = process.read "command -v clang" == "" and "there is no clang: spec/support/install fuzz" or nil }
end

local function units(list, build, label)
  local programs = lines("find '" .. build .. "' -maxdepth 1 -name 'test_*' -type f -perm -u+x | sort")
  for _, program in ipairs(programs) do
    local name = label .. " " .. program:match "[^/]+$"
    list[#list + 1] = { name = name, reads = "counts", command = "'" .. program .. "'" }
  end
end

-- Words of spec/support/corpus.lua. What is slow here is the machine, so a latency proves nothing: that is for the
-- bench.
local CORPUS_RUNS = {
  { "h1 run.py", "none %s/run.py -q" }, { "h1 slow.py", "none %s/slow.py --p99 10000 --limit 20" },
  { "h1 run.py, bodies read whole", "whole %s/run.py -q" },
  { "h1 run.py, bodies read in chunks", "chunks %s/run.py -q" },
}

local function corpus(list, gateway, label, runs)
  for i = 1, runs do
    local name, words = CORPUS_RUNS[i][1], CORPUS_RUNS[i][2]:format(CORPUS)
    list[#list + 1] = {
      name = label .. " " .. name, reads = "counts", waits = true,
      command = gateway .. " luajit spec/support/corpus.lua " .. words,
      skip = not io.open(CORPUS .. "/README.md") and "there is no " .. CORPUS or nil,
    }
  end
end

local SLEEPS = { ["spec/flow/names_spec.lua"] = true }

local function flow(list, gateway, label, options)
  for _, file in ipairs(lines "ls spec/flow/*_spec.lua") do
    local command = gateway .. " " .. BUSTED .. options .. file
    list[#list + 1] = { name = label .. " " .. file, reads = "busted", command = command, waits = SLEEPS[file] }
  end
end

-- What the sanitizers do not see: bytes that nobody has written, in the libraries too. Few, for it is slow; any other
-- flow spec runs with MOONGATE=spec/support/valgrind as well, but for those that look at time or memory.
local WATCHED = { "forwarding", "proxy_protocol" }

local function valgrind(list)
  for _, name in ipairs(WATCHED) do
    list[#list + 1] = { name = "valgrind " .. name, reads = "busted",
      command = ("MOONGATE=spec/support/valgrind %sspec/flow/%s_spec.lua"):format(BUSTED, name) }
  end
end

-- It knows nothing of sanitizers, so what they have to say goes to files of their own.
local function walkthrough(list, gateway, label, build)
  local command = "rm -f '%s'/walk.*; ASAN_OPTIONS=log_path='%s/walk' %s sh examples/walkthrough/run "
    .. "&& ! cat '%s'/walk.* 2>/dev/null"
  list[#list + 1] = { name = label .. " walk-through", reads = "status", waits = true,
    command = command:format(build, build, gateway, build) }
end

-- So few requests a second that the others have the machine: it is there for what the sanitizers say.
local function soak(list, label, build)
  list[#list + 1] = { name = label .. " soak", reads = "counts", waits = true,
    command = ("sh spec/soak/run 60 40 '%s'"):format(build) }
  list[#list + 1] = { name = label .. " reloads", reads = "counts", waits = true,
    command = ("sh spec/soak/reload 10 300 '%s'"):format(build) }
end

--- All jobs, the ones that wait longest first.
-- @param words array: only jobs whose name has one of them (plain); empty: all
function jobs.list(build, asan, words)
  local all, chosen = {}, {}
  local plain = ("MOONGATE='%s/moongate'"):format(build)
  local sanitized = ("MOONGATE='%s/moongate'"):format(asan)
  corpus(all, plain, "release", #CORPUS_RUNS)
  corpus(all, sanitized, "asan", 2)
  soak(all, "asan", asan)
  walkthrough(all, plain, "release", build)
  walkthrough(all, sanitized, "asan", asan)
  style(all)
  fuzz(all)
  all[#all + 1] = { name = "lua", reads = "busted", command = BUSTED .. "spec/lua spec/policies" }
  units(all, build, "release")
  units(all, asan, "asan")
  valgrind(all)
  flow(all, plain, "release", "")
  flow(all, sanitized, "asan", "--exclude-tags=slow ")
  for _, job in ipairs(all) do
    local wanted = #words == 0
    for _, word in ipairs(words) do wanted = wanted or job.name:find(word, 1, true) ~= nil end
    if wanted then chosen[#chosen + 1] = job end
  end
  return chosen
end

return jobs
