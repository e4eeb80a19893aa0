local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local function config(mark, more)
  return ([[
    return {
      listeners = { web = { address = "127.0.0.1:$web" }%s },
      admin = { address = "127.0.0.1:$admin" },
      services = { up = { endpoints = { { address = "$up" } } } },
      policies = { "metrics" },
      routes = { { backends = { { service = "up" } },
        policies = { { "headers", response = { set = { ["x-config"] = "%s" } } } } } },
    }]]):format(more or "", mark)
end

describe("the processes", function()
  local gw, up, values

  before_each(function()
    up = upstream.start()
    values = { up = up.address }
  end)

  after_each(gateway.stop_all)

  local function start(workers) gw = gateway.start { config = config "one", values = values, workers = workers } end

  local function mark(conn)
    local response = assert(conn and http.send(conn, {}) or gw:ask {})
    assert.equal(200, response.status)
    return response.headers["x-config"]
  end

  -- Until every worker serves the new config.
  local function settled(expected)
    return loop.poll(function()
      for _ = 1, 10 do
        if mark() ~= expected then return nil end
      end
      return true
    end, 10)
  end

  describe("on SIGHUP", function()
    it("swap the config and keep a connection that was open", function()
      start(2)
      local conn = stream.connect(gw.ports.web)
      assert.equal("one", mark(conn))
      assert.truthy(gw:reload(config "two", values))
      assert.truthy(settled "two")
      assert.truthy(loop.poll(function() return mark(conn) == "two" or nil end))
      conn:close()
    end)

    it("lets a request in progress end as it began", function()
      start(1)
      local gate
      up.answer = function(request)
        request:read()
        loop.poll(function() return gate end)
        return { body = "late" }
      end
      local conn = stream.connect(gw.ports.web)
      conn:send(http.format {})
      assert.truthy(loop.poll(function() return up:last() end))
      assert.truthy(gw:reload(config "two", values))
      gate = true
      local response = assert(http.read_response(conn))
      assert.equal("late", response.body)
      assert.equal("one", response.headers["x-config"])
      up.answer = nil
      assert.truthy(loop.poll(function() return mark(conn) == "two" or nil end))
      conn:close()
    end)

    it("keep the old config when the new one has mistakes, and say which", function()
      start(2)
      assert.truthy(gw:reload("return { listeners = { web = { adress = '127.0.0.1:1' } } }", values, "reload refused"))
      assert.truthy(gw:log():find("gateway.lua:1:", 1, true))
      assert.truthy(gw:log():find("did you mean 'address'", 1, true))
      assert.equal("one", mark())
      assert.truthy(gw:reload(config "three", values))
      assert.truthy(settled "three")
    end)

    it("open and close listeners", function()
      start(2)
      assert.truthy(gw:reload(config("two", ', more = { address = "127.0.0.1:$more" }'), values))
      assert.truthy(loop.poll(function()
        local ok, response = pcall(http.ask, gw.ports.more, {})
        return ok and response and response.status == 200 or nil
      end))
      assert.truthy(gw:reload(config "three", values))
      assert.truthy(loop.poll(function() return not pcall(stream.connect, gw.ports.more) or nil end))
      assert.truthy(settled "three")
    end)

    it("lose no request, however often", function()
      start(2)
      local stop, asked = false, 0
      local function client()
        local conn = stream.connect(gw.ports.web)
        while not stop do
          assert.truthy(mark(conn))
          assert.truthy(mark())
          asked = asked + 2
        end
        conn:close()
      end
      for _ = 1, 4 do loop.spawn(client) end
      for i = 1, 10 do assert.truthy(gw:reload(config("n" .. i), values)) end
      stop = true
      loop.sleep(0.1)
      assert.is_true(asked > 50)
    end)
  end)

  -- Not the admin process, which is one of the children.
  local function worker_of()
    for _, pid in ipairs(gw:children()) do
      if not (process.file("/proc/" .. pid .. "/comm") or ""):find "admin" then return pid end
    end
  end

  it("replace a worker that was killed, while the other serves", function()
    start(2)
    local children, killed = gw:children(), worker_of()
    process.signal(killed, 9)
    assert.truthy(gw:logged "killed by signal 9")
    assert.truthy(http.ask_until(gw.ports.web, {}, function(response) return response.status == 200 end))
    assert.truthy(loop.poll(function()
      local now = gw:children()
      for _, pid in ipairs(now) do if pid == killed then return nil end end
      return #now == #children or nil
    end))
    assert.truthy(loop.poll(function()
      for _ = 1, 20 do if not pcall(mark) then return nil end end
      return true
    end))
    gw:stop { crash = true }
  end)

  it("serve the config as it was read, also in a worker that is started again while the files change", function()
    gw = gateway.start { args = { "--policy-path", "$folder" },
      files = { ["mine.lua"] = "return { request = function(_, ctx) return ctx:respond(200, 'as it was') end }" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { { policies = { "mine" } } },
      }]] }
    local first = worker_of()
    gateway.write(gw.path, "return { nonsense")
    gateway.write(gw.folder .. "/mine.lua", "more nonsense")
    process.signal(first, 9)
    assert.truthy(gw:logged "killed by signal 9")
    local response = http.ask_until(gw.ports.web, {}, function(one) return one.status == 200 end)
    assert.equal("as it was", response.body)
    assert.not_equal(first, worker_of())
    gw:stop { crash = true }
  end)

  it("end what is in progress on SIGTERM, take nothing new, and end with 0", function()
    start(2)
    local gate
    up.answer = function(request)
      request:read()
      request.stream:send "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"
      loop.poll(function() return gate end)
      return "half"
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format {})
    assert(http.read_response_head(conn))
    gw:signal(15)
    assert.truthy(loop.poll(function() return not pcall(stream.connect, gw.ports.web) or nil end))
    gate = true
    assert.equal("halfhalf", conn:read(8))
    assert.is_true(conn:closed())
    gw:stop()
  end)

  it("close idle connections on SIGTERM", function()
    start(1)
    local conn = stream.connect(gw.ports.web)
    mark(conn)
    gw:signal(15)
    assert.is_true(conn:closed())
    gw:stop()
  end)

  it("count all workers' requests together", function()
    start(2)
    for _ = 1, 40 do mark() end
    assert.equal(40, gw:counts("moongate_requests_total", { code = "200" }, 40))
  end)
end)
