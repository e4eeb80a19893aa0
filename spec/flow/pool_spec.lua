local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

describe("the pool", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { port = up.port }, config = [[
      local function service(host, pool) return { pool = pool, endpoints = { { address = host .. ":$port" } } } end
      local function route(name) return { hosts = { name .. ".test" }, backends = { { service = name } } } end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = {
          plain = service("127.0.0.1"),
          named = service("localhost"),
          twice = service("127.0.0.1", { max_requests = 2 }),
          short = service("127.0.0.1", { idle_timeout = "100ms" }),
          none = service("127.0.0.1", { max_idle = 0 }),
        },
        routes = { route "plain", route "named", route "twice", route "short", route "none" },
      }]] }
  end)

  teardown(gateway.stop_all)
  before_each(function() up.answer = nil end)

  -- How many connections `n` requests one after another took.
  local function taken(n, host, pause)
    local before = up.connections
    for _ = 1, n do
      assert.equal(200, assert(gw:ask { host = host }).status)
      if pause then loop.sleep(pause) end
    end
    return up.connections - before
  end

  it("reuses a connection", function() assert.equal(1, taken(10, "plain.test")) end)

  it("finds an endpoint by name", function() assert.is_true(taken(10, "named.test") <= 1) end)

  it("ends a connection after its requests", function() assert.equal(5, taken(10, "twice.test")) end)

  it("ends a connection that was not used for its time", function()
    assert.equal(3, taken(3, "short.test", 0.4))
  end)

  it("keeps none where none may be idle", function() assert.equal(4, taken(4, "none.test")) end)

  it("does not reuse a connection that the upstream closes, or that said more than its answer", function()
    up.answer = function(request)
      request:read()
      return { headers = { Connection = "close" }, body = "ok" }
    end
    taken(1, "plain.test")
    assert.equal(3, taken(3, "plain.test"))
    up.answer = function(request)
      request:read()
      return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    end
    for _ = 1, 5 do assert.equal("ok", assert(gw:ask { host = "plain.test" }).body) end
  end)

  it("makes as many connections as there are requests at once, and uses them again", function()
    up.answer = function(request)
      request:read()
      loop.sleep(0.1)
      return { body = "ok" }
    end
    local asks = {}
    for i = 1, 20 do asks[i] = function() return assert(gw:ask { host = "named.test" }).body end end
    loop.all(unpack(asks))
    local before = up.connections
    loop.all(unpack(asks))
    assert.is_true(up.connections - before <= 2)
  end)
end)
