local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("circuit breaker", function()
  local gw, up
  local burst, stood = 0, 0 -- requests of a burst at the endpoint, and answers to those that are not tried again
  local refusals, wanted -- what has been refused so far, and how much the endpoint waits for

  setup(function()
    up = upstream.start(function(request)
      request:read()
      if request.target:find "^/wait" then loop.poll(function() return refusals >= wanted or nil end, 5) end
      if request.target == "/burst" then
        burst = burst + 1
        if burst > 4 then -- a retry, which ends last
          loop.poll(function() return stood >= 3 or nil end, 20)
          return { body = "ok" }
        end
        loop.poll(function() return burst >= 4 or nil end, 20)
        return { status = 503, body = "no" }
      end
      if request.target == "/fail" then
        loop.sleep(0.2)
        return { status = 503, body = "no" }
      end
      return { body = "ok" }
    end)
    gw = gateway.start { values = { up = up.address }, config = [[
      local function service(limits, more)
        more = more or {}
        more.endpoints, more.circuit_breaker = { "$up" }, limits
        return more
      end
      local function route(name, retries)
        return { hosts = { name .. ".test" }, backends = { { service = name } }, retries = retries }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = {
          requests = service { max_requests = 2 },
          one = service { max_connections = 1, max_pending = 2 },
          patient = service { max_connections = 2 },
          retries = service { max_retries = 1 },
          aged = service(nil, { pool = { max_age = "150ms", keepalive = { idle = "30s", interval = "5s" } } }),
          once = service(nil, { pool = { max_requests = 1 } }),
        },
        policies = { { "access_log", path = "stdout",
          format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%" } },
        routes = { route "requests", route "one", route "patient", route "aged", route "once",
          { hosts = { "slow.test" }, backends = { { service = "retries" } },
            retries = { attempts = 1, on = { "503" }, back_off = "120s", max_back_off = "120s" } },
          { hosts = { "burst.test" }, backends = { { service = "retries" } },
            retries = { attempts = 1, on = { "503" }, back_off = "500ms", max_back_off = "500ms" } },
          route("retries", { attempts = 1, on = { "503" }, back_off = "1ms", max_back_off = "1ms" }) },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- Statuses of `n` requests at once: { [200] = ..., [503] = ... }, and one that was refused.  Those that get through
  -- wait until as many were refused as are to be.
  local function at_once(n, host, path, refuse)
    local asks, counts, refused = {}, {}, nil
    refusals, wanted = 0, refuse
    for i = 1, n do
      asks[i] = function()
        loop.sleep(i * 0.02) -- one after the other, or two workers could let one in at the same moment
        local response = assert(gw:ask { host = host, path = path })
        if response.status == 503 then refusals = refusals + 1 end
        return response
      end
    end
    for _, response in ipairs(loop.all(unpack(asks))) do
      counts[response.status] = (counts[response.status] or 0) + 1
      if response.status == 503 then refused = response end
    end
    return counts, refused
  end

  it("refuses what is more than the requests allowed, and says so", function()
    local counts, refused = at_once(5, "requests.test", "/wait-requests", 3)
    assert.same({ [200] = 2, [503] = 3 }, counts)
    assert.equal("true", refused.headers["x-envoy-overloaded"])
    assert.matches("reset reason: overflow$", refused.body)
    assert.truthy(gw:logged("ACCESS /wait-requests 503 UO"))
    assert.equal(200, gw:ask({ host = "requests.test", path = "/" }).status)
  end)

  it("lets requests wait for a connection, so many and no more", function()
    local before = up.connections
    local counts = at_once(5, "one.test", "/wait-one", 2)
    assert.same({ [200] = 3, [503] = 2 }, counts)
    assert.equal(before + 1, up.connections)
  end)

  it("serves all who wait, on the connections allowed", function()
    local before = up.connections
    assert.same({ [200] = 6 }, (at_once(6, "patient.test", "/wait-patient", 0)))
    assert.is_true(up.connections - before <= 2)
  end)

  it("forgets who leaves while waiting", function()
    refusals, wanted = 0, 1
    loop.all(function() assert(gw:ask { host = "one.test", path = "/wait-a" }) end, function()
      loop.sleep(0.05)
      local conn = assert(stream.connect(gw.ports.web))
      conn:send("GET /wait-b HTTP/1.1\r\nHost: one.test\r\n\r\n")
      loop.sleep(0.1)
      conn:close()
      loop.sleep(0.1)
      refusals = 1
    end)
    assert.same({ [200] = 3, [503] = 1 }, (at_once(4, "one.test", "/wait-c", 1)))
  end)

  it("makes no more retries at once than allowed; the answer then stands", function()
    local before = #up.requests
    local counts = at_once(4, "retries.test", "/fail", 0)
    assert.same({ [503] = 4 }, counts)
    local tries = #up.requests - before
    assert.is_true(tries >= 5 and tries < 8, tries .. " tries")
    assert.truthy(gw:logged("ACCESS /fail 503 UO"))
  end)

  it("counts a retry from when it is decided, so that a burst of failures keeps its answers", function()
    local asks, bodies = {}, {}
    for i = 1, 4 do
      asks[i] = function()
        local response = assert(gw:ask { host = "burst.test", path = "/burst" })
        if response.status == 503 then stood = stood + 1 end
        bodies[response.body] = (bodies[response.body] or 0) + 1
      end
    end
    loop.all(unpack(asks))
    assert.same({ no = 3, ok = 1 }, bodies)
    burst, stood, bodies = 0, 0, {}
    loop.all(unpack(asks))
    assert.same({ no = 3, ok = 1 }, bodies) -- the first burst's retry counts no more
  end)

  it("counts no retry of a client that left in the pause before", function()
    local seen, conn = #up.requests, stream.connect(gw.ports.web)
    conn:send(http.format { host = "slow.test", path = "/fail" })
    assert(loop.poll(function() return #up.requests > seen or nil end, 20))
    loop.sleep(0.3) -- it fails after 0.2
    conn:close()
    assert(loop.poll(function()
      local before = #up.requests
      gw:ask { host = "retries.test", path = "/fail" }
      return #up.requests - before == 2 or nil
    end, 20))
  end)

  it("ends a connection after its longest time, or its last request", function()
    local before = up.connections
    assert(gw:ask { host = "aged.test" })
    assert(gw:ask { host = "aged.test" })
    assert.equal(before + 1, up.connections)
    loop.sleep(0.3)
    assert(gw:ask { host = "aged.test" })
    assert.equal(before + 2, up.connections)
    assert(gw:ask { host = "once.test" })
    assert(gw:ask { host = "once.test" })
    assert.equal(before + 4, up.connections)
  end)

  it("counts over all workers", function()
    local one = gw
    finally(function() gw = one end)
    gw = gateway.start { workers = 3, values = { up = up.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      services = { few = { endpoints = { "$up" }, circuit_breaker = { max_requests = 2 } } },
      routes = { { backends = { { service = "few" } } } } }]] }
    for _ = 1, 3 do
      local counts = at_once(8, "few.test", "/wait-few", 6)
      assert.same({ [200] = 2, [503] = 6 }, counts)
    end
  end)
end)
