--- reload: many reloads of many routes, and what clients notice of them; `reload` beside this file starts it.
-- usage: reload.lua BUILD RELOADS ROUTES
local answers = require "spec.soak.answers"
local cases = require "spec.bench.cases"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local load = require "spec.soak.load"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local WORKERS, CLIENTS, TUNNELS, RATE = 2, 200, 200, 400
local PAUSE_S = 0.2 -- between two reloads
local WITHOUT_S, WITHOUT_PART = 3, 0.1 -- how long it is measured without: a part of the time that the reloads take
local JUDGED, MOST = 100, 2

loop.LIMIT = 60

local TEXT = [[
local routes = { { name = "tunnel", match = { path = { exact = "/tunnel" } },
  backends = { { service = "tunnels" } } } }
for i = 1, $count do
  local by_host = i % 2 == 0
  routes[#routes + 1] = {
    name = "route-" .. i,
    hosts = by_host and { "host-" .. i .. ".example" } or nil,
    match = not by_host and { path = { prefix = "/route-" .. i .. "/" } } or nil,
    policies = { { "headers", response = { set = { ["x-edition"] = "$edition" } } } },
    backends = { { service = "up" } },
  }
end
return {
  listeners = { web = { address = "127.0.0.1:$web", limits = { idle_timeout = "600s" } } },
  services = { up = { endpoints = { "$up" } }, tunnels = { endpoints = { "$tunnels" } } },
  routes = routes,
}]]

local state = { ending = false, open = 0, lost = 0, through = 0, first = nil }

local function lose(why)
  state.open, state.lost = state.open - 1, state.lost + 1
  state.first = state.first or why
end

-- One open tunnel, through which something goes every second.
local function tunnel(port, number)
  local conn = stream.connect(port)
  local id = ("%08x"):format(number)
  state.open = state.open + 1
  conn:send(("GET /tunnel HTTP/1.1\r\nHost: a.test\r\nX-Id: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    :format(id))
  local head, err = http.read_response_head(conn)
  if not head or head.status ~= 101 then return lose("no tunnel: " .. tostring(err or head.status)) end
  while not state.ending do
    loop.sleep(0.5 + math.random())
    conn:send(id)
    local back, why = conn:read(#id)
    if back ~= id then return lose("a tunnel: " .. tostring(back or why)) end
    state.through = state.through + 1
  end
  conn:close()
end

-- Load while `work` goes on: what the generator saw.
local function under_load(gw, build, routes, work)
  local p = load.start { build = build, port = gw.ports.web, requests = cases.routes(routes).requests,
    connections = CLIENTS, rate = RATE }
  loop.sleep(1)
  work()
  return load.stop(p)
end

local function say(good, ...)
  io.write(good and "ok    " or "FAIL  ", (...):format(select(2, ...)), "\n")
  return good and 0 or 1
end

local function judge(without, with, reloads, took)
  local ratio = with.latency_us.p99 / without.latency_us.p99
  print(("%d reloads in %.0f s, %.0f ms each; %d requests, %d messages through tunnels"):format(reloads, took,
    (took / reloads - PAUSE_S) * 1000, with.requests, state.through))
  for name, seen in pairs { without = without, with = with } do
    print(("  %s reloads: p50 %.2f ms, p99 %.2f ms, longest %.2f ms"):format(name, seen.latency_us.p50 / 1000,
      seen.latency_us.p99 / 1000, seen.latency_us.max / 1000))
  end
  local failed = say(with.errors == 0 and with.requests > 0, "%d failed requests %s", with.errors, with.first_error)
    + say(with.closed == 0, "%d closed connections of %d clients", with.closed, CLIENTS)
    + say(state.lost == 0, "%d closed tunnels of %d %s", state.lost, TUNNELS, state.first or "")
  local text = ("p99 is %.1f times what it is without reloads; wanted: %d at most"):format(ratio, MOST)
  if reloads >= JUDGED then return failed + say(ratio <= MOST, text), 4 end
  print("      " .. text .. " (not judged)")
  return failed, 3
end

local function run(build, reloads, routes)
  local values = { count = routes, edition = 1, up = load.backend(build, net.free_port()),
    tunnels = upstream.start(answers.normal(lose)).address }
  local gw = gateway.start { workers = WORKERS, values = values, config = TEXT }
  for i = 1, TUNNELS do loop.spawn(tunnel, gw.ports.web, i) end
  assert(loop.poll(function() return state.open == TUNNELS or nil end, 60))
  local took
  local with = under_load(gw, build, routes, function()
    local began = loop.now()
    for i = 1, reloads do
      values.edition = i + 1
      assert(gw:reload(TEXT, values, nil, 120), "a reload was not taken")
      loop.sleep(PAUSE_S)
    end
    took = loop.now() - began
  end)
  local without = under_load(gw, build, routes, function()
    loop.sleep(math.max(WITHOUT_S, took * WITHOUT_PART))
  end)
  state.ending = true
  loop.sleep(2)
  gw:stop()
  return judge(without, with, reloads, took)
end

local ok, failed, count = xpcall(run, debug.traceback, arg[1], tonumber(arg[2]), tonumber(arg[3]))
local stopped, why = pcall(gateway.stop_all)
require("spec.support.process").stop_all()
if not ok or not stopped then
  io.write(tostring(not ok and failed or why), "\n")
  failed, count = 1, 1
end
print(("%d passed, %d failed"):format(count - failed, failed))
os.exit(failed == 0 and 0 or 1)
