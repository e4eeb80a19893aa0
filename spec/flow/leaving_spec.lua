--- Clients that leave, and policies caught in the middle.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local POLICIES = {
  ["whole.lua"] = [[
    local whole = { schema = {}, body = { request = "whole", response = "whole", limit = 100000 } }
    function whole.request_body(_, _, bytes) return bytes:reverse() end
    function whole.response_body(_, ctx, bytes)
      ctx.res.headers["x-seen"] = tostring(#bytes)
      return bytes:upper()
    end
    return whole]],
  ["late.lua"] = [[
    local late = { schema = { { "at", type = "string" } }, body = { request = "chunks", response = "chunks" } }
    function late.request_body(conf) if conf.at == "request" then error "late" end end
    function late.response_body(conf, ctx, bytes, last)
      ctx.own.count = (ctx.own.count or 0) + 1
      if conf.at == "response" and last then error "late" end
    end
    return late]],
  ["calls.lua"] = [[
    local http = require "moongate.http"
    local calls = { schema = {} }
    function calls.request(_, ctx)
      local service = ctx.req.headers["x-service"]
      local answer, err = http.request { service = service, path = "/", timeout = 200, limit = 1000 }
      return ctx:respond(200, answer and "got " .. #answer.body or "failed: " .. err)
    end
    return calls]],
  ["astray.lua"] = [[
    local astray = { schema = {} }
    function astray.request(_, ctx) ctx:use_backend "nowhere" end
    return astray]],
}

describe("in the middle,", function()
  local gw, up

  setup(function()
    up = upstream.start()
    local dead = upstream.start()
    dead:stop()
    gw = gateway.start { values = { up = up.address, dead = dead.address }, files = POLICIES,
      args = { "--policy-path", "$folder" }, config = [[
      local function route(host, ...)
        return { hosts = { host }, policies = { ... }, backends = { { service = "up" } } }
      end
      local slow = route("limit.test")
      slow.timeout = "200ms"
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = { up = { endpoints = { { address = "$up" } } }, dead = { endpoints = { { address = "$dead" } } } },
        policies = {
          { "access_log", path = "stdout", format = "ACCESS %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS%" } },
        routes = { route("plain.test"), route("wait.test", { "fault", delay = { fixed = "10s" } }),
          route("whole.test", "whole"),
          route("request.test", { "late", at = "request" }), route("response.test", { "late", at = "response" }),
          route("calls.test", "calls"), route("astray.test", "astray"), slow },
      }]] }
  end)

  teardown(gateway.stop_all)
  before_each(function() up.answer = nil end)

  -- The gateway must be well afterwards.
  after_each(function()
    up.answer = nil
    assert.equal("ok", assert(gw:ask { host = "plain.test" }).body)
  end)

  local function echo(request)
    request:read()
    return { body = request.body }
  end

  it("a client that leaves during a wait ends it, and nothing goes upstream", function()
    local before, conn = #up.requests, stream.connect(gw.ports.web)
    conn:send(http.format { host = "wait.test", path = "/gone" })
    loop.sleep(0.05)
    conn:close()
    assert.equal("0 DI,DC", gw:logged "ACCESS /gone ")
    assert.equal(before, #up.requests)
  end)

  it("a client that leaves during its upload ends the one upstream", function()
    local cut
    up.answer = function(request)
      cut = not http.read_request_body(request.stream, request, 5)
      return nil
    end
    local conn = stream.connect(gw.ports.web)
    conn:send("POST /upload HTTP/1.1\r\nHost: plain.test\r\nContent-Length: 100000\r\n\r\n" .. ("x"):rep(50000))
    loop.sleep(0.05)
    conn:close()
    assert.is_true(loop.poll(function() return cut end))
    assert.truthy(gw:logged "ACCESS /upload 0 DC")
  end)

  it("a client that leaves during its download ends the one upstream", function()
    local ended
    up.answer = function(request)
      request.stream:send "HTTP/1.1 200 OK\r\n\r\n"
      while request.stream:send(("x"):rep(65536)) do loop.sleep(0) end
      ended = true
      return nil
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format { host = "plain.test", path = "/download" })
    assert(conn:read(100000))
    conn:close(true)
    assert.is_true(loop.poll(function() return ended end))
    assert.equal("200 DC", gw:logged "ACCESS /download ")
  end)

  it("a client may close its sending side and still read the answer", function()
    up.answer = function(request)
      request:read()
      loop.sleep(0.05)
      return { body = "late" }
    end
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format { host = "plain.test", headers = { Connection = "close" } })
    conn:finish()
    local response = http.read_response(conn)
    assert.is_true(response == nil or response.body == "late") -- either is allowed, a hang is not
    conn:close()
  end)

  it("whole bodies go with HEAD, 204, Expect and trailers", function()
    up.answer = echo
    assert.equal("CBA", assert(gw:ask { host = "whole.test", method = "POST", body = "abc" }).body)
    local response = assert(gw:ask { host = "whole.test", method = "POST", chunks = { "ab", "c" },
      trailers = { ["X-T"] = "1" } })
    assert.equal("CBA", response.body)
    up.answer = function(request)
      request:read()
      return request.method == "HEAD" and "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        or "HTTP/1.1 204 No Content\r\n\r\n"
    end
    assert.equal(200, assert(gw:ask { host = "whole.test", method = "HEAD" }).status)
    assert.equal(204, assert(gw:ask { host = "whole.test" }).status)
    up.answer = echo
    local conn = stream.connect(gw.ports.web)
    conn:send "POST / HTTP/1.1\r\nHost: whole.test\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    assert.equal(100, assert(http.read_response_head(conn)).status)
    conn:send "xyz"
    assert.equal("ZYX", assert(http.read_response(conn)).body)
    conn:close()
  end)

  it("a client that leaves while its whole body is read ends it", function()
    local before, conn = #up.requests, stream.connect(gw.ports.web)
    conn:send "POST /half HTTP/1.1\r\nHost: whole.test\r\nContent-Length: 100\r\n\r\nabc"
    loop.sleep(0.05)
    conn:close()
    assert.equal("0 DC", gw:logged "ACCESS /half ")
    assert.equal(before, #up.requests)
  end)

  it("a policy that raises while a body passes cuts it visibly", function()
    up.answer = echo
    local response = gw:ask { host = "request.test", method = "POST", body = "abc" }
    assert.equal(500, response and response.status)
    up.answer = function(request)
      request:read()
      return { body = ("x"):rep(100000) }
    end
    assert.is_nil((gw:ask { host = "response.test" }))
    assert.truthy(gw:logged "a policy raised")
  end)

  it("a policy's own calls fail with a reason, and in time", function()
    local function call(service)
      return assert(gw:ask { host = "calls.test", headers = { ["X-Service"] = service } }).body
    end
    assert.equal("got 2", call "up")
    assert.truthy(call "dead":find "^failed: ")
    assert.truthy(call "unknown":find "^failed: .*unknown")
    up.answer = function() return { body = ("x"):rep(2000) } end
    assert.truthy(call "up":find "^failed: ")
    up.answer = function()
      loop.sleep(1)
      return nil
    end
    assert.truthy(call "up":find "^failed: ")
  end)

  it("a policy that chooses a backend that is none is answered 500", function()
    assert.equal(500, assert(gw:ask { host = "astray.test" }).status)
  end)

  it("the route's time covers an upload that stalls", function()
    local conn = stream.connect(gw.ports.web)
    conn:send "POST /stall HTTP/1.1\r\nHost: limit.test\r\nContent-Length: 100\r\n\r\nabc"
    local response = assert(http.read_response(conn))
    assert.equal(504, response.status)
    conn:close()
  end)

  it("both directions stream at once", function()
    up.answer = function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      for _ = 1, 3 do
        local size = request.stream:read_until "\r\n"
        local bytes = request.stream:read(tonumber(size, 16) + 2)
        request.stream:send(size .. bytes:upper())
      end
      request.stream:read_until "0\r\n\r\n"
      return "0\r\n\r\n"
    end
    local conn = stream.connect(gw.ports.web)
    conn:send "POST / HTTP/1.1\r\nHost: plain.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert.equal(200, assert(http.read_response_head(conn)).status)
    for _, word in ipairs { "one", "two", "six" } do
      conn:send("3\r\n" .. word .. "\r\n")
      assert.equal("3\r\n" .. word:upper() .. "\r\n", conn:read(8))
    end
    conn:send "0\r\n\r\n"
    assert.equal("0\r\n\r\n", conn:read(5))
    conn:close()
  end)
end)
