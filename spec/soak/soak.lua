--- soak: mixed traffic for a while, with reloads and killed workers all along; `run` beside this file starts it.
-- usage: soak.lua BUILD SECONDS [RATE]
--
-- One worker is never killed: it is that one's memory, and the master's, that must be flat, and its descriptors that
-- must be as many after all of it as before, when every client has gone. Means are compared, over thirds of the time:
-- a reload leaves the old model as garbage for a moment, and a look at one moment would see it or not.
local answers = require "spec.soak.answers"
local certs = require "spec.support.certs"
local config = require "spec.soak.config"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local ledgers = require "spec.soak.ledger"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local procs = require "spec.soak.procs"
local summary = require "spec.soak.summary"
local tls = require "spec.support.tls"
local traffic = require "spec.soak.traffic"
local upstream = require "spec.support.upstream"

local WORKERS, CLIENTS = 3, 40
local RELOAD_S, KILL_S, ROTATE_S, SCRAPE_S, SAMPLE_S = 5, 20, 7, 3, 2
local WARM_UP = 0.1 -- of the time, before descriptors are counted
local SIGUSR1, SIGKILL, SIGSTOP = 10, 9, 19

loop.LIMIT = 60 -- a machine that is slow makes no error

local ledger = ledgers.new()
local seen = { reloads = 0, kills = 0, slowest_return = 0, samples = {}, scrapes = 0, at_work = 0 }

local function start(values)
  local files = config.policies(1)
  seen.far = gateway.start { values = values, config = config.FAR }
  values.far = seen.far.ports.far
  return gateway.start { workers = WORKERS, values = values, config = config.text(1), files = files,
    args = { "--policy-path", "$folder" } }
end

-- ---- what the operator does ---------------------------------------------------------------

-- Every so often, but not while all are to be quiet, until the end.
local function every(seconds, work, ...)
  loop.spawn(function(...)
    local due = loop.now()
    while true do
      due = math.max(due + seconds, loop.now())
      loop.sleep(due - loop.now())
      if ledger.stopping then return end
      if not ledger.quiet then
        seen.at_work = seen.at_work + 1
        work(...)
        seen.at_work = seen.at_work - 1
      end
    end
  end, ...)
end

local function reload(gw, values)
  local edition = ledger.edition.written + 1
  ledger.edition.written = edition
  for name, text in pairs(config.policies(edition)) do gateway.write(gw.folder .. "/" .. name, text) end
  if not gw:reload(config.text(edition), values, nil, 60) then
    return ledger:failed("edition " .. edition .. " was not taken")
  end
  ledger.edition.served = edition
  seen.reloads = seen.reloads + 1
end

-- It is stopped before it is killed, so that what it holds then is what it holds when it dies.
local function kill(gw)
  local pids = procs.workers(gw, gw.ports.web)
  if #pids < WORKERS then return ledger:failed(("there are %d workers"):format(#pids)) end
  local others = {}
  for _, pid in ipairs(pids) do if pid ~= seen.survivor then others[#others + 1] = pid end end
  local victim = others[1 + seen.kills % #others]
  process.signal(victim, SIGSTOP)
  ledger:kill(procs.clients(victim, { [gw.ports.web] = true, [gw.ports.tls] = true }))
  local began = loop.now()
  process.signal(victim, SIGKILL)
  seen.kills = seen.kills + 1
  if not loop.poll(function() return #procs.workers(gw, gw.ports.web) == WORKERS or nil end, 30) then
    return ledger:failed "no worker in place of the killed one"
  end
  seen.slowest_return = math.max(seen.slowest_return, loop.now() - began)
end

local function rotate(gw)
  os.rename(seen.folder .. "/access", seen.folder .. "/access.1")
  gw:signal(SIGUSR1)
end

local function scrape(gw)
  local ok, response = pcall(http.ask, gw.ports.admin, { path = "/stats/prometheus" })
  if ok and response and response.status == 200 then
    seen.scrapes = seen.scrapes + 1
  else
    ledger:failed("no metrics: " .. tostring(response))
  end
end

-- ---- what is looked at --------------------------------------------------------------------

local function sample(gw)
  local all = 0
  for _, pid in ipairs(procs.workers(gw, gw.ports.web)) do all = all + procs.resident(pid) end
  seen.samples[#seen.samples + 1] = { at = loop.now(), worker = procs.resident(seen.survivor),
    master = procs.resident(gw.pid), all = all }
end

-- Descriptors of the two when nobody is connected and idle upstream connections have timed out; `limit`: what they
-- were before, to wait for.
local function quiet_descriptors(gw, values, limit)
  ledger.quiet = true
  if not loop.poll(function() return ledger.busy + seen.at_work == 0 or nil end, 90) then
    ledger:failed(ledger.busy .. " clients do not come to an end")
  end
  repeat reload(gw, values) until ledger.edition.served % 6 == 0 -- the same listeners and endpoints each time
  local found
  loop.sleep(3)
  loop.poll(function()
    found = { worker = procs.descriptors(seen.survivor), master = procs.descriptors(gw.pid) }
    return limit and found.worker <= limit.worker and found.master <= limit.master
  end, limit and 15 or 0)
  ledger.quiet = false
  return found
end

-- ---- the whole ----------------------------------------------------------------------------

-- What upstreams keep of requests. One that cannot be read is wrong, unless it only ended too early.
local function forget(ups)
  for _, up in ipairs(ups) do
    for _, err in ipairs(up.errors) do
      if not err:find "closed" and not err:find "reset" and not err:find "refused" then
        ledger:wrong("upstream: " .. err)
      end
    end
    up.requests, up.errors = {}, {}
  end
end

local function clients(gw, rate)
  local ctx = tls.client(seen.folder .. "/ca.crt")
  for i = 1, CLIENTS do
    local secure, close = i % 3 == 0, i % 4 == 0
    traffic.client(ledger, { port = secure and gw.ports.tls or gw.ports.web, tls = secure and ctx or nil, close = close,
      pause = CLIENTS / rate })
  end
end

local function run(seconds, rate)
  seen.folder = certs.make(gateway.folder())
  local function wrong(text) ledger:wrong(text) end
  local ups = { upstream.start(answers.normal(wrong)), upstream.start(answers.normal(wrong)),
    upstream.start(answers.odd) }
  local values = { folder = seen.folder, a = ups[1].address, b = ups[2].address, port = ups[1].port,
    odd = ups[3].address, dead = net.free_port() }
  local gw = start(values)
  seen.survivor = procs.workers(gw, gw.ports.web)[1]
  clients(gw, rate)
  every(RELOAD_S, reload, gw, values)
  every(KILL_S, kill, gw)
  every(ROTATE_S, rotate, gw)
  every(SCRAPE_S, scrape, gw)
  every(SAMPLE_S, sample, gw)
  every(SAMPLE_S, forget, ups)
  local began = loop.now()
  loop.sleep(seconds * WARM_UP)
  seen.before = quiet_descriptors(gw, values)
  loop.sleep(began + seconds - loop.now())
  seen.after = quiet_descriptors(gw, values, seen.before)
  ledger.stopping = true
  loop.poll(function() return ledger.busy == 0 or nil end, 90)
  seen.began, seen.ended = began, loop.now()
  gw:stop { crash = true }
  seen.far:stop()
end

local seconds, rate = tonumber(arg[2]), tonumber(arg[3] or 400)
local ok, err = xpcall(run, debug.traceback, seconds, rate)
local stopped, why = pcall(gateway.stop_all)
if not ok or not stopped then
  io.write("soak: ", tostring(err or why), "\n0 passed, 1 failed\n")
  os.exit(1)
end
os.exit(summary.say(ledger, seen, arg[1]) and 0 or 1)
