--- What becomes of the processes where the system refuses them something, or stops them, and where they are told
-- something before they are ready.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local procs = require "spec.soak.procs"

local LIMIT = 60 -- seconds, for a machine that does much else

local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
  policies = { { "access_log", path = "$folder/access", format = "%REQ(:PATH)%" } },
  routes = { { policies = { { "respond", status = 200 } } } },
}]]

-- Takes a while to be prepared, and says when it begins.
local SLOW = [[
local log, time = require "moongate.log", require "moongate.time"
local slow = {}
function slow.prepare()
  log.warn "begins"
  local till = time.monotonic() + 0.5
  repeat until time.monotonic() > till
end
function slow.request() end
return slow]]

describe("where the system", function()
  local gw

  after_each(gateway.stop_all)

  local function start(shell)
    local folder = gateway.folder()
    gw = gateway.start { config = CONFIG, values = { folder = folder }, shell = shell }
    return folder
  end

  local function is_well() assert.equal(200, assert(gw:ask {}).status) end

  it("lets a log not grow, its lines are dropped and counted", function()
    local access = start "ulimit -f 40" .. "/access"
    for i = 1, 140 do
      assert.equal(200, assert(gw:ask { path = "/" .. i .. ("x"):rep(3000) }).status)
    end
    assert.truthy(loop.poll(function() return gw:metric("moongate_log_lines_dropped_total", {}) > 0 or nil end, LIMIT))
    assert.equal(20480, #process.file(access))
    is_well()
    gw:stop() -- no worker was killed
  end)

  it("has no descriptors for a reload, it is refused, and the next one is not", function()
    start()
    process.read(("prlimit --pid %d --nofile=4:"):format(gw.pid))
    assert.truthy(gw:reload(CONFIG, { folder = gw.folder }, "reload refused"))
    assert.truthy(gw:log():find("Too many open files", 1, true))
    is_well()
    process.read(("prlimit --pid %d --nofile=256:"):format(gw.pid))
    assert.truthy(gw:reload(CONFIG, { folder = gw.folder }))
    is_well()
  end)

  it("has stopped the admin process, a reload brings another, and the end comes all the same #slow", function()
    start()
    local admin = procs.workers(gw, gw.ports.admin)[1]
    process.signal(admin, 19)
    assert.truthy(gw:reload(CONFIG, { folder = gw.folder }))
    assert.truthy(loop.poll(function() return not process.file("/proc/" .. admin .. "/status") or nil end, LIMIT))
    assert.truthy(http.ask_until(gw.ports.admin, { path = "/healthz/live" }, function(response)
      return response.status == 200
    end, LIMIT))
    admin = procs.workers(gw, gw.ports.admin)[1]
    process.signal(admin, 19)
    gw:stop()
    assert.is_nil(process.file("/proc/" .. admin .. "/status"))
  end)

  it("has stopped the master for a while, workers serve, and what has happened is made up for", function()
    start()
    local worker = procs.workers(gw, gw.ports.web)[1]
    gw:signal(19)
    is_well()
    process.signal(worker, 9)
    gw:signal(1)
    gw:signal(18)
    assert.truthy(gw:logged("reloaded", LIMIT))
    assert.truthy(http.ask_until(gw.ports.web, {}, function(response) return response.status == 200 end, LIMIT))
    gw:stop { crash = true }
  end)
end)

describe("before it is ready", function()
  local p

  after_each(function()
    if p then process.stop(p) end
    gateway.stop_all()
  end)

  local function begin()
    local folder = gateway.folder()
    local path = gateway.write(folder .. "/gateway.lua", [[return {
      listeners = { web = { address = "unix:]] .. folder .. [[/web" } },
      routes = { { policies = { "slow", { "respond", status = 200 } } } },
    }]])
    gateway.write(folder .. "/slow.lua", SLOW)
    p = process.start({ gateway.binary, "run", path, "--workers", "1", "--policy-path", folder }, folder .. "/log")
  end

  local function says(text)
    assert(loop.poll(function() return (process.file(p.out) or ""):find(text, 1, true) end, LIMIT), process.file(p.out))
  end

  it("a gateway that is to end does so with 0", function()
    begin()
    says "worker=0 begins"
    process.signal(p.pid, 15)
    assert.equal(0, process.wait(p, LIMIT))
    p = nil
  end)

  it("a gateway takes a reload, and lets its logs be opened anew", function()
    begin()
    says "begins"
    process.signal(p.pid, 10)
    process.signal(p.pid, 1)
    says "ready"
    says "reloaded"
  end)
end)
