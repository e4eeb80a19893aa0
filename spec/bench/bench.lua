--- bench: measures the gateway beside its peers; `run` beside this file starts it from the project's root.
-- usage: bench.lua BUILD_FOLDER JSON_FILE [--quick] [--peers]
local cases = require "spec.bench.cases"
local fleet = require "spec.bench.fleet"
local memory = require "spec.bench.memory"
local process = require "spec.support.process"
local report = require "spec.bench.report"

local FULL = { rounds = 7, seconds = 1, warm_up = 1, held = 5000, rate = 2000 }
local QUICK = { rounds = 1, seconds = 0.3, warm_up = 0.2, held = 500, rate = 500 }

local function options(args)
  local opt = { build = args[1], json = args[2], effort = FULL }
  for i = 3, #args do
    if args[i] == "--quick" then opt.effort = QUICK
    elseif args[i] == "--peers" then opt.peers_only = true
    else error("unknown option " .. args[i], 0) end
  end
  return opt
end

--- Calls `visit(case, server)` for all that run, case by case.
local function each(servers, visit)
  for _, case in ipairs(cases.all) do
    for _, id in ipairs(case.servers) do
      if servers[id] then visit(case, servers[id]) end
    end
  end
end

local function check(case, server)
  if case.refused then fleet.load(server, case.refused, { count = 10 * #case.refused }) end
  local count = 2000
  local answer = fleet.load(server, case.requests, { count = count, header = case.header })
  if case.split then
    local share = (answer.backends.b or 0) / count
    assert(math.abs(share - 0.1) < 0.03, server.id .. ": backend b got a share of " .. share)
  end
  if server.counter then
    process.sleep(0.1)
    local counted = fleet.counted(server)
    assert(counted == count, server.id .. ": counted " .. counted .. " of " .. count .. " answers")
  end
end

--- One window: µs of CPU a request, and what the load generator saw.
local function measure(case, server, seconds)
  local pids = process.tree(server.process)
  local before = process.cpu(pids)
  local answer = fleet.load(server, case.requests, { seconds = seconds })
  local cpu_us = (process.cpu(pids) - before) * 1e6 / answer.requests
  -- A worker that was replaced takes its CPU time with it.
  local same = table.concat(pids, " ") == table.concat(process.tree(server.process), " ")
  assert(same and cpu_us > 1, server.id .. ": its processes are not those that did the work")
  return { cpu_us = cpu_us, p99_us = answer.latency_us.p99, rate = answer.requests / answer.seconds }
end

local function measure_all(servers, effort)
  local rows, by_key = {}, {}
  each(servers, function(case, server)
    measure(case, server, effort.warm_up)
    local row = { case = case.id, server = server.id, samples = {} }
    rows[#rows + 1] = row
    by_key[case.id .. "/" .. server.id] = row.samples
  end)
  for round = 1, effort.rounds do
    io.stderr:write("round ", round, " of ", effort.rounds, "\n")
    each(servers, function(case, server)
      local samples = by_key[case.id .. "/" .. server.id]
      samples[round] = measure(case, server, effort.seconds)
    end)
  end
  return rows
end

local function main(args)
  local opt = options(args)
  local servers = fleet.start(opt.build, opt.peers_only)
  local result = { machine = report.machine(), memory = {} }
  local many = servers["moongate 10000 manifests"]
  result.loaded = many and memory.loaded(many)
  for _, server in ipairs(servers) do
    if server.id:find " plain$" then table.insert(result.memory, memory.measure(server, opt.effort.held)) end
  end
  each(servers, check)
  result.rows = measure_all(servers, opt.effort)
  if servers["moongate series"] then
    result.scrape = memory.scrape(servers["moongate series"], opt.effort)
  end
  report.finish(result)
  io.write(report.text(result))
  report.write(result, opt.json)
end

local ok, err = xpcall(main, function(e) return type(e) == "string" and e or tostring(e) end, arg)
process.stop_all()
if not ok then
  io.stderr:write("bench: ", err, "\n")
  os.exit(1)
end
