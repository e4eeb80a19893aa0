--- storm: requests on established connections while others come and do TLS handshakes; `storm` beside this file starts
-- it.
-- usage: storm.lua BUILD ROUNDS
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local load = require "spec.soak.load"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local tls = require "spec.support.tls"

local WORKERS, CLIENTS, RATE = 2, 64, 1000
local HANDSHAKES, ROUND_S, MOST = 200, 4, 2
local ENOUGH = 0.95 -- of the handshakes that were to be: with fewer it was no such storm

local TEXT = [[
return {
  listeners = { web = { address = "127.0.0.1:$web" },
    tls = { address = "127.0.0.1:$tls", tls = { cert = "$folder/a.test.crt", key = "$folder/a.test.key" } } },
  services = { up = { endpoints = { "$up" } } },
  routes = { { backends = { { service = "up" } } } },
}]]

local count = { due = 0, done = 0, failed = 0, first = nil }

local function shake(port, ctx)
  local ok, conn = pcall(stream.connect, port)
  local good, err
  if ok then good, err = conn:start_tls(ctx, "a.test") end
  if good then
    count.done = count.done + 1
  else
    count.failed, count.first = count.failed + 1, count.first or tostring(err or conn)
  end
  if ok then conn:close() end
end

local function own_pid()
  return tonumber(process.file("/proc/self/stat"):match "^%d+")
end

-- The clients of the storm stand for other machines: here they take what the gateway and the load leave them.
local function give_way(policy)
  process.read(("chrt --%s --pid 0 %d"):format(policy, own_pid()))
end

-- So many a second, evenly spaced, none a resumed one.
local function storm(port, ctx, seconds)
  local began = loop.now()
  give_way "idle"
  for i = 0, HANDSHAKES * seconds - 1 do
    loop.sleep(math.max(0, began + i / HANDSHAKES - loop.now()))
    count.due = count.due + 1
    loop.spawn(shake, port, ctx)
  end
  loop.poll(function() return count.done + count.failed == count.due or nil end)
  give_way "other"
end

local function median(list)
  table.sort(list)
  return list[math.ceil(#list / 2)]
end

-- Cores that the gateway and this process have used while `work` ran.
local function cores(gw, work)
  local pids, own = process.tree(gw.process), { own_pid() }
  local gateway_cpu, own_cpu, began = process.cpu(pids), process.cpu(own), loop.now()
  work()
  local took = loop.now() - began
  return (process.cpu(pids) - gateway_cpu) / took, (process.cpu(own) - own_cpu) / took
end

local function run(build, rounds)
  local folder = certs.make(gateway.folder())
  local gw = gateway.start { workers = WORKERS, config = TEXT,
    values = { folder = folder, up = load.backend(build, net.free_port()) } }
  local ctx = tls.client(folder .. "/ca.crt")
  local function measure(work)
    local p = load.start { build = build, port = gw.ports.web, requests = { "200\t100\tGET\t/b/100" },
      connections = CLIENTS, rate = RATE }
    loop.sleep(0.5)
    work()
    local seen = load.stop(p)
    assert(seen.errors == 0, seen.first_error)
    return seen.latency_us.p99 / 1000
  end
  local quiet, stormy, gateway_cpu, client_cpu = {}, {}, {}, {}
  for i = 1, rounds do
    quiet[i] = measure(function() loop.sleep(ROUND_S) end)
    stormy[i] = measure(function()
      gateway_cpu[i], client_cpu[i] = cores(gw, function() storm(gw.ports.tls, ctx, ROUND_S) end)
    end)
  end
  gw:stop()
  return { quiet = median(quiet), stormy = median(stormy), gateway_cpu = median(gateway_cpu),
    client_cpu = median(client_cpu) }
end

local ok, seen = xpcall(run, debug.traceback, arg[1], tonumber(arg[2]))
local stopped, why = pcall(gateway.stop_all)
process.stop_all()
if not ok or not stopped then
  io.write(tostring(not ok and seen or why), "\n")
  print "0 passed, 1 failed"
  os.exit(1)
end

local failed = 0
local function holds(good, ...)
  failed = failed + (good and 0 or 1)
  io.write(good and "ok    " or "FAIL  ", (...):format(select(2, ...)), "\n")
end
print(("%d requests a second on %d connections; in the storm the gateway takes %.2f of a core, its clients %.2f")
  :format(RATE, CLIENTS, seen.gateway_cpu, seen.client_cpu))
holds(count.failed == 0 and count.done >= count.due * ENOUGH, "%d handshakes of %d, %d failed %s", count.done,
  count.due, count.failed, count.first or "")
holds(seen.stormy <= seen.quiet * MOST,
  "p99 %.2f ms without, %.2f ms with %d handshakes a second: %.2f times; wanted: %d at most", seen.quiet, seen.stormy,
  HANDSHAKES, seen.stormy / seen.quiet, MOST)
print(("%d passed, %d failed"):format(2 - failed, failed))
os.exit(failed == 0 and 0 or 1)
