--- memory: what a server holds when nothing happens, what an idle client adds, and what a scrape disturbs.
local fleet = require "spec.bench.fleet"
local net = require "spec.support.net"
local process = require "spec.support.process"

local SETTLE = 0.5
local SCRAPE_PAUSE = 0.2
local SCRAPE_ROUNDS, SCRAPE_SECONDS_FACTOR = 5, 2

local memory = {}

local request = { "200\t100\tGET\t/b/100" }

--- The pid that works for requests: the one that used most CPU while `work` ran.
local function worker_of(pids, work)
  local before, best, most = {}, nil, -1
  for _, pid in ipairs(pids) do before[pid] = process.cpu { pid } end
  work()
  for _, pid in ipairs(pids) do
    local used = process.cpu { pid } - before[pid]
    if used > most then best, most = pid, used end
  end
  return best
end

--- Measures a server just started: bytes resident and private in its worker, seconds to start, and bytes for each
-- of `held` clients that did one request and wait.  Requests come first, so that what is made once (pools,
-- compiled code) is there before the clients are counted.
function memory.measure(server, held)
  local at_start, pids = {}, process.tree(server.process)
  for _, pid in ipairs(pids) do at_start[pid] = process.memory(pid) end
  local worker = worker_of(pids, function() fleet.load(server, request, { count = 20000 }) end)
  process.sleep(SETTLE)
  local before = process.memory(worker).private
  local close = fleet.hold(server, request, held)
  process.sleep(SETTLE)
  local after = process.memory(worker).private
  close()
  return { server = server.id, start_time = server.start_time, held = held, bytes_per_client = (after - before) / held,
           idle_rss = at_start[worker].rss, idle_private = at_start[worker].private }
end

--- What it takes to load the config of a server just started: seconds until it was ready, and the bytes resident in
-- the largest of its processes.
function memory.loaded(server)
  local most = 0
  for _, pid in ipairs(process.tree(server.process)) do most = math.max(most, process.memory(pid).rss) end
  return { server = server.id, start_time = server.start_time, most_rss = most }
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

--- The p99 latency in µs at `effort.rate` requests a second, without and with scrapes of `server.count` series.
-- Who scrapes does so from elsewhere: here it must not take the processors from what is measured, so it counts the
-- series once, before, and then throws away what it reads.
function memory.scrape(server, effort)
  local quiet, scraped, scrapes = {}, {}, 0
  local text = assert(net.ask(server.admin, server.scrape), "no answer to a scrape")
  local series = select(2, text:gsub("\n[%a_]", ""))
  local how = { seconds = effort.seconds * SCRAPE_SECONDS_FACTOR, rate = effort.rate }
  local function scrape()
    assert(net.swallow(server.admin, server.scrape) >= #text, "a scrape was cut short")
    scrapes = scrapes + 1
    process.sleep(SCRAPE_PAUSE)
  end
  for round = 1, SCRAPE_ROUNDS do
    quiet[round] = fleet.load(server, request, how).latency_us.p99
    scraped[round] = fleet.load(server, request, how, scrape).latency_us.p99
  end
  assert(series >= server.count, "a scrape had only " .. series .. " series")
  return { quiet_p99_us = median(quiet), scraped_p99_us = median(scraped), scrapes = scrapes, series = series }
end

return memory
