local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("retries", function()
  local gw, first, second, tries

  before_each(function()
    tries = 0
    first, second = upstream.start(), upstream.start()
    local dead = upstream.start()
    dead:stop()
    gw = gateway.start { values = { one = first.address, two = second.address, dead = dead.address }, config = [[
      local function retries(attempts, ...)
        return { attempts = attempts, on = { ... }, back_off = "1ms", max_back_off = "5ms", buffer = "1KiB" }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = {
          one = { endpoints = { { address = "$one" } } },
          half = { endpoints = { { address = "$dead" }, { address = "$two" } } },
        },
        policies = { { "access_log", path = "stdout",
          format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %UPSTREAM_REQUEST_ATTEMPT_COUNT%" } },
        routes = {
          { hosts = { "plain.test" }, backends = { { service = "one" } } },
          { hosts = { "r503.test" }, backends = { { service = "one" } }, retries = retries(2, "503") },
          { hosts = { "reset.test" }, backends = { { service = "one" } }, retries = retries(2, "reset") },
          { hosts = { "slow.test" }, backends = { { service = "one" } }, retries = retries(2, "5xx"),
            per_try_timeout = "150ms", timeout = "5s" },
          { hosts = { "whole.test" }, backends = { { service = "one" } }, retries = retries(50, "503"),
            timeout = "300ms" },
          { hosts = { "half.test" }, backends = { { service = "half" } }, retries = retries(3, "connect-failure") },
        },
      }]] }
  end)

  after_each(gateway.stop_all)

  -- The upstream fails `n` times, by `how`, before it says "ok".
  local function failing(n, how)
    first.answer = function(request)
      tries = tries + 1
      request:read()
      if tries <= n then return how(request) end
      return { body = "ok " .. #request.body }
    end
  end

  local function unavailable() return { status = 503, body = "not now" } end

  it("counts every try, on a connection that was kept alive too", function()
    assert.equal("ok", assert(gw:ask { host = "reset.test", path = "/warm" }).body)
    local before = #first.requests
    first.answer = function() return nil end -- closes the connection
    assert.equal(503, assert(gw:ask { host = "reset.test", path = "/cut" }).status)
    assert.equal(3, #first.requests - before)
  end)

  it("tries again on a status that the route names, as often as it says", function()
    failing(2, unavailable)
    assert.equal("ok 0", assert(gw:ask { host = "r503.test", path = "/good" }).body)
    assert.equal("200 - 3", gw:logged "ACCESS /good ")
    tries = 0
    failing(9, unavailable)
    local response = assert(gw:ask { host = "r503.test", path = "/bad" })
    assert.equal(503, response.status)
    assert.equal("not now", response.body)
    assert.equal(3, tries)
    assert.equal("503 URX 3", gw:logged "ACCESS /bad ")
  end)

  it("does not try again unasked, nor on another status", function()
    failing(1, unavailable)
    assert.equal(503, assert(gw:ask { host = "plain.test" }).status)
    tries = 0
    failing(1, function() return { status = 500 } end)
    assert.equal(500, assert(gw:ask { host = "r503.test" }).status)
    assert.equal(1, tries)
  end)

  it("sends the body again, if it is short enough to be kept", function()
    failing(1, unavailable)
    assert.equal("ok 1000", assert(gw:ask { host = "r503.test", method = "POST", body = ("x"):rep(1000) }).body)
    tries = 0
    failing(1, unavailable)
    assert.equal(503, assert(gw:ask { host = "r503.test", method = "POST", body = ("x"):rep(3000) }).status)
    assert.equal(1, tries)
  end)

  it("tries again after a reset", function()
    failing(2, function(request)
      request.stream:close(true)
      return nil
    end)
    assert.equal("ok 0", assert(gw:ask { host = "reset.test" }).body)
  end)

  it("tries again when one try takes too long", function()
    failing(1, function()
      loop.sleep(1)
      return { body = "late" }
    end)
    assert.equal("ok 0", assert(gw:ask { host = "slow.test" }).body)
  end)

  it("ends with the whole request's time, whatever tries are left", function()
    failing(1000, function()
      loop.sleep(0.05)
      return unavailable()
    end)
    local response = assert(gw:ask { host = "whole.test", path = "/whole" })
    assert.equal(504, response.status)
    assert.is_true(tries < 50)
  end)

  it("takes another endpoint than the one that failed", function()
    for _ = 1, 10 do assert.equal("ok", assert(gw:ask { host = "half.test" }).body) end
  end)

  it("sends a request again, unasked, when a kept connection turns out to be closed", function()
    first.answer = function(request)
      request:read()
      if request.index == 2 then return nil end -- as one that had closed just before
      return { body = "ok" }
    end
    local conn = stream.connect(gw.ports.web)
    for i = 1, 6 do
      local response = assert(http.send(conn, { host = "plain.test", path = "/" .. i }))
      assert.equal(200, response.status)
    end
    conn:close()
  end)

  it("does not send a POST again that way", function()
    first.answer = function(request)
      request:read()
      tries = tries + 1
      if request.index == 2 then return nil end
      return { body = "ok" }
    end
    assert.equal(200, assert(gw:ask { host = "plain.test" }).status)
    assert.equal(503, assert(gw:ask { host = "plain.test", method = "POST", body = "pay" }).status)
    assert.equal(2, tries)
  end)
end)
