local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

local CONFIG = [[
  local function service(more, ...)
    more.endpoints = { ... }
    return more
  end
  local function route(host, service, retries)
    return { hosts = { host }, backends = { { service = service } }, retries = retries }
  end
  local quick = { consecutive_5xx = 2, interval = "100ms", base_ejection_time = "60s", max_ejection_percent = 100 }
  local function with(more)
    for name, value in pairs(quick) do if more[name] == nil then more[name] = value end end
    return more
  end
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    admin = { address = "127.0.0.1:$admin" },
    services = {
      pair = service({ outlier_detection = quick }, "$good", "$bad"),
      brief = service({ outlier_detection = with { base_ejection_time = "700ms" } }, "$good", "$bad"),
      alone = service({ outlier_detection = quick }, "$bad"),
      panic = service({ outlier_detection = with { min_health_percent = 60 } }, "$good", "$bad"),
      dead = service({ outlier_detection = quick }, "$good", "$dead"),
      split = service({ outlier_detection = with { split_local_failures = true, consecutive_local_failures = 2 } },
        "$bad", "$dead"),
      gateway = service({ outlier_detection = with { consecutive_5xx = 0, consecutive_gateway_errors = 2 } },
        "$good", "$bad"),
      ranked = service({ outlier_detection = quick }, { address = "$bad" }, { address = "$good", priority = 1 }),
      few = service({ outlier_detection = with { max_ejection_percent = 10 } }, "$bad", "$bad2"),
    },
    routes = {
      route("pair.test", "pair"), route("brief.test", "brief"), route("alone.test", "alone"),
      route("panic.test", "panic"),
      route("dead.test", "dead"), route("split.test", "split"), route("gateway.test", "gateway"),
      route("ranked.test", "ranked"), route("few.test", "few"),
    },
  }]]

describe("outlier detection", function()
  local gw, good, bad, bad2, status

  before_each(function()
    status = 500
    good = upstream.start(function(request)
      request:read()
      return { body = "good" }
    end)
    local function fail(request)
      request:read()
      return { status = status, body = "bad" }
    end
    bad, bad2 = upstream.start(fail), upstream.start(fail)
    local dead = upstream.start()
    dead:stop()
    gw = gateway.start { config = CONFIG, values = { good = good.address, bad = bad.address, bad2 = bad2.address,
      dead = dead.address } }
  end)

  after_each(gateway.stop_all)

  local function ask(host) return assert(gw:ask { host = host }) end

  -- The bodies of `n` answers, each once, in order of the alphabet.
  local function bodies(host, n)
    local seen, list = {}, {}
    for _ = 1, n do seen[ask(host).body:sub(1, 20)] = true end
    for body in pairs(seen) do list[#list + 1] = body end
    table.sort(list)
    return table.concat(list, "+")
  end

  it("leaves out an endpoint that fails", function()
    for _ = 1, 4 do ask "pair.test" end
    assert.equal(2, #bad.requests)
    assert.equal("good", bodies("pair.test", 6))
    assert.truthy(gw:logged("endpoint ejected"))
    assert.equal(1, gw:counts("moongate_upstream_ejections_total", { service = "pair" }, 1))
  end)

  it("takes it back", function()
    for _ = 1, 4 do ask "brief.test" end
    assert.truthy(gw:logged("endpoint ejected"))
    status = 200
    assert.truthy(loop.poll(function() return ask("brief.test").body == "bad" or nil end, 10))
    assert.truthy(gw:logged("endpoint returned"))
    assert.equal("bad+good", bodies("brief.test", 6))
  end)

  it("counts answers in a row only", function()
    for i = 1, 12 do
      status = i % 4 < 2 and 500 or 200 -- of the two endpoints each sees every other request
      ask "pair.test"
    end
    assert.is_true(#bad.requests >= 5)
  end)

  it("has nobody left: 503 UH", function()
    ask "alone.test"
    ask "alone.test"
    local response = ask "alone.test"
    assert.equal(503, response.status)
    assert.equal("no healthy upstream", response.body)
  end)

  it("uses all when too few are well", function()
    for _ = 1, 6 do ask "panic.test" end
    assert.truthy(gw:logged("endpoint ejected"))
    assert.equal("bad+good", bodies("panic.test", 6))
  end)

  it("counts a connection that fails as an error", function()
    for _ = 1, 4 do ask "dead.test" end
    assert.equal("good", bodies("dead.test", 6))
  end)

  it("tells failures without an answer apart when asked to", function()
    status = 200
    for _ = 1, 4 do ask "split.test" end
    assert.equal("bad", bodies("split.test", 6))
  end)

  it("counts gateway errors alone when asked to", function()
    for _ = 1, 6 do ask "gateway.test" end
    assert.equal("bad+good", bodies("gateway.test", 6))
    status = 503
    for _ = 1, 4 do ask "gateway.test" end
    assert.equal("good", bodies("gateway.test", 6))
  end)

  it("counts answers of gRPC by their own status", function()
    bad.answer = function(request)
      request:read()
      return { headers = { ["grpc-status"] = "14", ["content-type"] = "application/grpc" } }
    end
    local function call()
      return assert(gw:ask { host = "pair.test", method = "POST", headers = { ["Content-Type"] = "application/grpc",
        ["Content-Length"] = "0" } })
    end
    for _ = 1, 4 do call() end
    for _ = 1, 6 do assert.equal("good", call().body) end
  end)

  it("goes to the next priority when the first has nobody", function()
    assert.equal("bad", bodies("ranked.test", 2))
    assert.equal("good", bodies("ranked.test", 6))
  end)

  it("ejects one always, more only up to the percentage", function()
    for _ = 1, 12 do ask "few.test" end
    assert.equal(1, gw:counts("moongate_upstream_ejections_total", { service = "few" }, 1))
    assert.equal("bad", bodies("few.test", 4))
  end)

  -- Whether `bad` is out (0 or 1), and whether it ever was.
  local function out(service)
    return gw:metric("moongate_upstream_endpoint_out", { service = service, endpoint = bad.address })
  end

  it("says that it is in again when the time is over, though nobody asks", function()
    assert.same({ 0, 0 }, { out "brief" })
    for _ = 1, 4 do ask "brief.test" end
    assert.truthy(gw:logged("endpoint returned", 20))
    assert.same({ 0, 1 }, { out "brief" })
  end)

  it("says nothing of endpoints that a reload took away", function()
    for _ = 1, 4 do ask "pair.test" end
    for _ = 1, 4 do ask "alone.test" end
    assert.same({ 1, 1 }, { (out "pair"), (out "alone") })
    local config = CONFIG:gsub('"%$good", "%$bad"%)', '"$good", "$bad2")')
    config = config:gsub('alone = service.-\n', 'alone = service({}, "$bad"),\n')
    assert.truthy(gw:reload(config, { good = good.address, bad = bad.address, bad2 = bad2.address,
      dead = "127.0.0.1:9" }))
    assert.same({ 0, 0 }, { (out "pair"), (out "alone") })
  end)

  it("remembers over a reload", function()
    for _ = 1, 4 do ask "pair.test" end
    assert.equal("good", bodies("pair.test", 4))
    assert.truthy(gw:reload(CONFIG, { good = good.address, bad = bad.address, bad2 = bad2.address,
      dead = "127.0.0.1:9" }))
    assert.equal("good", bodies("pair.test", 4))
  end)
end)
