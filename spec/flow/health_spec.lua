--- Active checks, success rates, and that all workers know what one has found out.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local CHECKED = [[
  local function check(more)
    more.interval, more.timeout = more.interval or "100ms", "300ms"
    more.healthy, more.unhealthy = 2, 2
    return more
  end
  local function route(name) return { hosts = { name .. ".test" }, backends = { { service = name } } } end
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    admin = { address = "127.0.0.1:$admin" },
    services = {
      pair = { endpoints = { "$one", "$two" }, health_check = check { path = "/up?full=1", host = "pair.test",
        statuses = { 200, 204 } }, pool = { max_connections = 1 } },
      door = { endpoints = { "$three" }, health_check = check { kind = "tcp" } },
      panic = { endpoints = { "$one", "$two" }, health_check = check { path = "/up", min_health_percent = 60 } },
    },
    routes = { route "pair", route "door", route "panic" },
  }]]

describe("active checks", function()
  local gw, one, two, three, sick

  setup(function()
    sick = {}
    local function answer(name)
      return function(request)
        request:read()
        if request.target:find "^/up" then return { status = sick[name] or 204 } end
        return { body = name }
      end
    end
    one, two, three = upstream.start(answer "one"), upstream.start(answer "two"), upstream.start(answer "three")
    gw = gateway.start { config = CHECKED, workers = 2,
      values = { one = one.address, two = two.address, three = three.address } }
  end)

  teardown(gateway.stop_all)

  local function answers(host, n)
    local seen = {}
    for _ = 1, n do
      local response = assert(gw:ask { host = host })
      local name = response.status == 200 and response.body or tostring(response.status)
      seen[name] = (seen[name] or 0) + 1
    end
    return seen
  end

  -- Until `n` answers in a row are those, at whichever worker they come.
  local function settles(host, expected)
    local last
    assert(loop.poll(function()
      last = answers(host, 20)
      for name in pairs(last) do
        if not expected[name] then return nil end
      end
      for name in pairs(expected) do
        if not last[name] then return nil end
      end
      return true
    end, 20), ("at last %s"):format(next(last or {})))
  end

  it("ask as they are told to", function()
    local found = loop.poll(function()
      for _, request in ipairs(one.requests) do
        if request.target == "/up?full=1" then return request end
      end
    end)
    assert.same({ "GET", "pair.test" }, { found.method, found.headers.host })
  end)

  it("take an endpoint out at every worker, and bring it back", function()
    settles("pair.test", { one = true, two = true })
    sick.two = 500
    settles("pair.test", { one = true })
    assert.truthy(gw:logged "endpoint unhealthy")
    assert.equal(2, gw:counts("moongate_upstream_endpoint_out", { service = "pair", endpoint = two.address }, 2))
    sick.one = 503
    settles("pair.test", { ["503"] = true })
    sick.one, sick.two = nil, nil
    settles("pair.test", { one = true, two = true })
    assert.equal(0, gw:counts("moongate_upstream_endpoint_out", { service = "pair" }, 0))
    assert.is_true(gw:metric("moongate_health_checks_total", { service = "pair", outcome = "failed" }) >= 4)
  end)

  it("are made by one worker at a time", function()
    local function count()
      local n = 0
      for _, request in ipairs(one.requests) do n = n + (request.target == "/up?full=1" and 1 or 0) end
      return n
    end
    local before, start = count(), loop.now()
    loop.sleep(2)
    local most = (loop.now() - start) / 0.1 + 2
    assert.is_true(count() - before <= most, ("%d checks, at most %d"):format(count() - before, most))
    assert.is_true(count() - before >= 2)
  end)

  it("go on when the worker that made them dies", function()
    for _, pid in ipairs(gw:children()) do process.signal(pid, 9) end
    sick.two = 500
    settles("pair.test", { one = true })
    sick.two = nil
    settles("pair.test", { one = true, two = true })
  end)

  it("use all endpoints where too few are well", function()
    sick.two = 500
    settles("pair.test", { one = true })
    settles("panic.test", { one = true, two = true })
    sick.two = nil
  end)

  it("need but a connection, of kind tcp", function()
    settles("door.test", { three = true })
    local heads, before = #three.requests, three.connections
    assert(loop.poll(function() return three.connections >= before + 3 or nil end))
    assert.equal(heads, #three.requests)
    three:stop()
    assert.truthy(gw:logged "endpoint unhealthy", gw:log())
    assert(http.ask_until(gw.ports.web, { host = "door.test" }, function(response)
      return response.status == 503 and response.body == "no healthy upstream"
    end, 20))
    gw:stop { crash = true }
  end)
end)

describe("what a worker finds out", function()
  after_each(gateway.stop_all)

  local function server(name, status)
    return upstream.start(function(request)
      request:read()
      return { status = type(status) == "function" and status() or status, body = name }
    end)
  end

  it("all know: an endpoint that one ejected", function()
    local good, bad = server("good", 200), server("bad", 500)
    local gw = gateway.start { workers = 2, values = { good = good.address, bad = bad.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
      services = { pair = { endpoints = { "$good", "$bad" }, outlier_detection = { consecutive_5xx = 1,
        base_ejection_time = "60s", max_ejection_percent = 50 } } },
      routes = { { backends = { { service = "pair" } } } } }]] }
    http.ask_until(gw.ports.web, {}, function(response) return response.status == 500 end)
    assert.equal(2, gw:counts("moongate_upstream_endpoint_out", { endpoint = bad.address }, 2))
    for _ = 1, 30 do assert.equal(200, gw:ask {}.status) end
    for _, pid in ipairs(gw:children()) do process.signal(pid, 9) end -- whoever comes next is told, too
    assert.equal(2, gw:counts("moongate_upstream_endpoint_out", { endpoint = bad.address }, 2))
    gw:stop { crash = true }
  end)

  it("goes by the share of successes", function()
    local turn, list = 0, {}
    for i = 1, 4 do list[i] = server("good", 200).address end
    list[5] = server("bad", function()
      turn = turn + 1
      return turn % 2 == 0 and 500 or 200
    end).address
    local gw = gateway.start { values = { list = '"' .. table.concat(list, '", "') .. '"' }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      services = { many = { endpoints = { $list }, outlier_detection = { interval = "200ms",
        base_ejection_time = "60s", max_ejection_percent = 50,
        success_rate = { minimum_hosts = 5, request_volume = 10, stdev_factor = 1.5 } } } },
      routes = { { backends = { { service = "many" } } } } }]] }
    assert(loop.poll(function()
      for _ = 1, 20 do gw:ask {} end
      return gw:log():find('endpoint ejected', 1, true) or nil
    end, 20))
    assert.truthy(gw:log():find("success rate 0.", 1, true), gw:log())
    for _ = 1, 20 do assert.equal(200, gw:ask {}.status) end
  end)
end)
