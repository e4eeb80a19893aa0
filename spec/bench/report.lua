--- report: medians, targets, the table and the JSON.
local cases = require "spec.bench.cases"
local json = require "cjson"
local process = require "spec.support.process"

local report = {}

local function line_of(command) return (process.read(command .. " 2>&1"):match "[^\n]*") end

--- What the numbers were measured on.
function report.machine()
  return {
    cores = tonumber(line_of "nproc"),
    cpu = line_of "sed -n 's/^model name[^:]*: //p' /proc/cpuinfo",
    kernel = line_of "uname -sr",
    haproxy = line_of "haproxy -v",
    nginx = line_of "nginx -v",
    luajit = line_of "luajit -v",
    date = os.date "!%Y-%m-%dT%H:%M:%SZ",
  }
end

local function median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local n = #sorted
  return n % 2 == 1 and sorted[(n + 1) / 2] or (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function column(samples, name)
  local list = {}
  for i, sample in ipairs(samples) do list[i] = sample[name] end
  return list
end

local function find(result, case, server)
  for _, row in ipairs(result.rows) do
    if row.case == case and row.server == server then return row end
  end
end

--- The median over the rounds of one row's `name` over another's in the same round.
local function ratio(a, b, name)
  local list = {}
  for i = 1, #a.samples do list[i] = a.samples[i][name] / b.samples[i][name] end
  return median(list)
end

local function add_target(result, what, value, limit, unit)
  table.insert(result.targets, { what = what, value = value, limit = limit, unit = unit, met = value <= limit })
end

local function add_ratios(result)
  for _, r in ipairs(cases.ratios) do
    local a, b = find(result, unpack(r[1])), find(result, unpack(r[2]))
    if a and b then
      add_target(result, ("CPU, %s: %s / %s"):format(a.case, a.server, b.server), ratio(a, b, "cpu_us"), r.limit, "×")
    end
  end
end

local function add_latencies(result)
  for _, l in ipairs(cases.latency) do
    local own, best = find(result, l.case, l.server), nil
    for _, peer in ipairs(l.peers) do
      local row = find(result, l.case, peer)
      if not best or row.p99_us < best.p99_us then best = row end
    end
    if own then
      add_target(result, ("p99, %s: %s / %s"):format(l.case, own.server, best.server),
        ratio(own, best, "p99_us"), 1, "×")
    end
  end
end

local function add_memory(result)
  for _, own in ipairs(result.memory) do
    if own.server == "moongate plain" then
      add_target(result, "an idle kept-alive client", own.bytes_per_client, 600, "bytes")
      add_target(result, "start until ready", own.start_time * 1e3, 100, "ms")
      add_target(result, "an idle worker, resident", own.idle_rss / 1048576, 12, "MiB")
    end
  end
end

local function add_loaded(result)
  local loaded = result.loaded
  if not loaded then return end
  add_target(result, loaded.server .. ": start until ready", loaded.start_time * 1e3, 2000, "ms")
  add_target(result, loaded.server .. ": the largest process, resident", loaded.most_rss / 1048576, 300, "MiB")
end

local function add_scrape(result)
  local s = result.scrape
  if not s then return end
  add_target(result, ("p99 moved by scrapes of %d series"):format(s.series),
    (s.scraped_p99_us - s.quiet_p99_us) / 1e3, 1, "ms")
end

--- Adds to `result` what follows from its samples: a median a row, and the targets.
function report.finish(result)
  for _, row in ipairs(result.rows) do
    for _, name in ipairs { "cpu_us", "p99_us", "rate" } do row[name] = median(column(row.samples, name)) end
  end
  result.targets = {}
  add_ratios(result)
  add_latencies(result)
  add_memory(result)
  add_loaded(result)
  add_scrape(result)
end

local function add_rows(lines, rows)
  table.insert(lines, "| case | server | CPU µs/request | lowest–highest | p99 µs | requests/s |")
  table.insert(lines, "|---|---|--:|--:|--:|--:|")
  for _, row in ipairs(rows) do
    local cpu = column(row.samples, "cpu_us")
    table.insert(lines, ("| %s | %s | %.1f | %.1f–%.1f | %.0f | %.0f |"):format(row.case, row.server, row.cpu_us,
      math.min(unpack(cpu)), math.max(unpack(cpu)), row.p99_us, row.rate))
  end
end

local function add_memory_rows(lines, memory)
  table.insert(lines, "\n| memory | start ms | idle RSS MiB | of it private MiB | bytes/idle client |")
  table.insert(lines, "|---|--:|--:|--:|--:|")
  for _, m in ipairs(memory) do
    table.insert(lines, ("| %s | %.0f | %.1f | %.1f | %.0f |"):format(m.server, m.start_time * 1e3,
      m.idle_rss / 1048576, m.idle_private / 1048576, m.bytes_per_client))
  end
end

local function add_target_rows(lines, targets)
  if #targets == 0 then return end
  table.insert(lines, "\n| target | measured | at most | |")
  table.insert(lines, "|---|--:|--:|---|")
  for _, t in ipairs(targets) do
    local verdict = t.met and "met" or "missed"
    table.insert(lines, ("| %s | %.2f %s | %.2f %s | %s |"):format(t.what, t.value, t.unit, t.limit, t.unit, verdict))
  end
end

--- The machine, the rows and the targets of a finished result as Markdown.
function report.text(result)
  local m = result.machine
  local lines = { ("%s, %d cores, %s; %s; %s; %s\n"):format(m.cpu, m.cores, m.kernel, m.haproxy, m.nginx, m.luajit) }
  add_rows(lines, result.rows)
  add_memory_rows(lines, result.memory)
  add_target_rows(lines, result.targets)
  return table.concat(lines, "\n") .. "\n"
end

function report.write(result, path)
  local f = assert(io.open(path, "w"))
  f:write(json.encode(result), "\n")
  f:close()
end

return report
