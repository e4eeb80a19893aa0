--- The spare worker: with a large config one more process has taken it, and takes the place of the next that dies.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local procs = require "spec.soak.procs"

local function config(routes, mark)
  return ([[
    local routes = { { policies = { { "respond", status = 200, body = "%s" } } } }
    for i = 1, %d do
      routes[#routes + 1] = { match = { path = { prefix = "/route-" .. i } },
        policies = { { "respond", status = 200, body = "route " .. i } } }
    end
    return {
      listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
      policies = { "metrics", { "access_log", path = "$folder/access", format = "%%REQ(:PATH)%%" }, "begins" },
      routes = routes,
    }]]):format(mark, routes)
end

-- Says when its timer runs, which it must not do in a process that only waits.
local BEGINS = [[
local timer, log = require "moongate.timer", require "moongate.log"
local begins = {}
function begins.prepare() timer.after(0.001, function() log.warn "a timer of the config's has run" end) end
function begins.request() end
return begins]]

local LARGE = 2300
local LIMIT = 60 -- seconds, for a machine that does much else

describe("a spare worker", function()
  local gw, folder

  before_each(function()
    folder = gateway.folder()
    gw = gateway.start { config = config(LARGE, "one"), values = { folder = folder },
      files = { ["begins.lua"] = BEGINS }, args = { "--policy-path", "$folder" } }
  end)

  after_each(function()
    gw:stop { crash = true }
    gateway.stop_all()
  end)

  local function reload(...) assert.truthy(gw:reload(config(...), { folder = folder }, nil, LIMIT)) end

  local function worker() return procs.workers(gw, gw.ports.web)[1] end

  -- The child that listens nowhere; nil: there is none.
  local function spare()
    local serving = {}
    for _, port in ipairs { gw.ports.web, gw.ports.admin } do
      for _, pid in ipairs(procs.workers(gw, port)) do serving[pid] = true end
    end
    if #gw:children() < 3 then return nil end
    for _, pid in ipairs(gw:children()) do
      if not serving[pid] then return pid end
    end
  end

  local function spare_comes() return assert(loop.poll(spare, LIMIT), "no spare worker came") end

  local function mark()
    local response = http.ask_until(gw.ports.web, {}, function(one) return one.status == 200 end, LIMIT)
    return response.body
  end

  local function times(text)
    local _, count = gw:log():gsub(text, "")
    return count
  end

  it("takes the place of each that dies, and begins nothing before", function()
    assert.equal("one", mark())
    for deaths = 1, 2 do
      local waiting = spare_comes() -- at once: it may not have taken the config yet
      os.rename(folder .. "/access", folder .. "/access." .. deaths)
      gw:signal(10)
      assert.truthy(loop.poll(function() return process.file(folder .. "/access") end, LIMIT))
      process.signal(worker(), 9)
      assert.equal("one", mark())
      assert.equal(waiting, worker())
      assert.truthy(loop.poll(function() return times "a timer of the config's has run" > deaths or nil end, LIMIT))
      assert.truthy(loop.poll(function() return (process.file(folder .. "/access") or ""):find "/" end, LIMIT))
    end
    spare_comes()
    assert.equal(3, times "a timer of the config's has run")
    assert.equal(3, gw:counts("moongate_requests_total", { code = "200" }, 3)) -- wherever they were counted
  end)

  it("has the config that is served", function()
    local first = spare_comes()
    reload(LARGE, "two")
    local second = assert(loop.poll(function() return spare() ~= first and spare() or nil end, LIMIT))
    process.signal(worker(), 9)
    assert.equal("two", mark())
    assert.equal(second, worker())
    spare_comes()
    reload(1, "three")
    assert.truthy(loop.poll(function() return not spare() or nil end, LIMIT))
    process.signal(worker(), 9)
    assert.equal("three", mark())
  end)

  it("is not missed when it dies itself, and ends with the others #slow", function()
    spare_comes()
    process.signal(worker(), 9)
    assert.equal("one", mark())
    process.signal(spare_comes(), 9)
    assert.truthy(gw:logged("the spare worker", LIMIT))
    process.signal(worker(), 9)
    assert.equal("one", mark())
    reload(LARGE, "two") -- which may be what that one could not bear
    spare_comes()
    local all = gw:children()
    gw:stop { crash = true }
    for _, pid in ipairs(all) do
      assert.truthy(loop.poll(function() return not process.file("/proc/" .. pid .. "/status") or nil end, LIMIT))
    end
  end)
end)
