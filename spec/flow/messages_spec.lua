local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("messages", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { hosts = { "a", "a.test" }, backends = { { service = "up" } }, policies = { { "lua",
          response = "ctx.res.headers['x-has-body'] = tostring(ctx.res.has_body)" } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function connect() return stream.connect(gw.ports.web) end

  local function answering(answer)
    up.answer = type(answer) == "function" and answer or function(request)
      request:read()
      return answer
    end
  end

  it("serves many requests of one connection, on one connection upstream", function()
    answering { body = "ok" }
    local before, conn = up.connections, connect()
    for i = 1, 20 do
      local response = assert(http.send(conn, { path = "/" .. i }))
      assert.equal("ok", response.body)
      assert.equal("/" .. i, up:last().target)
    end
    assert.is_true(up.connections - before <= 1)
    conn:close()
  end)

  it("answers pipelined requests in their order", function()
    answering(function(request)
      request:read()
      if request.target == "/1" then loop.sleep(0.05) end
      return { body = request.target .. (request.body or "") }
    end)
    local conn = connect()
    conn:send(http.format { path = "/1" } .. http.format { method = "POST", path = "/2", body = "abc" }
      .. http.format { method = "POST", path = "/3", chunks = { "d", "ef" } } .. http.format { path = "/4" })
    for _, body in ipairs { "/1", "/2abc", "/3def", "/4" } do
      assert.equal(body, assert(http.read_response(conn)).body)
    end
    conn:close()
  end)

  it("passes chunked bodies with trailers on, upstream", function()
    answering { body = "ok" }
    assert(gw:ask { method = "POST", chunks = { "hello ", "world" }, trailers = { ["X-Sum"] = "7" },
      headers = { Trailer = "X-Sum", TE = "trailers" } })
    assert.equal("hello world", up:last().body)
    assert.equal("7", up:last().trailers["x-sum"])
  end)

  it("passes chunked bodies with trailers on, downstream", function()
    answering("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n")
    local response = assert(gw:ask { headers = { TE = "trailers" } })
    assert.equal("abcde", response.body)
    assert.equal("9", response.trailers["x-sum"])
  end)

  it("keeps a length, and streams each chunk when it comes", function()
    answering { body = ("x"):rep(100000) }
    local response = assert(gw:ask {})
    assert.equal("100000", response.headers["content-length"])
    assert.equal(100000, #response.body)
    local gate
    answering(function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
      loop.poll(function() return gate end)
      return "2\r\nde\r\n0\r\n\r\n"
    end)
    local conn = connect()
    conn:send(http.format {})
    assert.equal(200, assert(http.read_response_head(conn)).status)
    assert.equal("3\r\nabc\r\n", conn:read(8))
    gate = true
    assert.equal("2\r\nde\r\n0\r\n\r\n", conn:read(12))
    conn:close()
  end)

  it("passes an answer that ends with its connection", function()
    answering(function(request)
      request.stream:send "HTTP/1.1 200 OK\r\n\r\nall of it"
      return nil
    end)
    assert.equal("all of it", assert(gw:ask {}).body)
  end)

  it("sends no body to HEAD, and keeps the length", function()
    answering "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n"
    local conn = connect()
    local response = assert(http.send(conn, { method = "HEAD" }))
    assert.same({ "1234", "false" }, { response.headers["content-length"], response.headers["x-has-body"] })
    answering { body = "next" }
    response = assert(http.send(conn, {}))
    assert.same({ "next", "true" }, { response.body, response.headers["x-has-body"] })
    conn:close()
  end)

  it("passes 204 and 304, which have no body", function()
    local conn = connect()
    answering "HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n"
    local response = assert(http.send(conn, {}))
    assert.equal(204, response.status)
    assert.is_nil(response.headers["content-length"])
    assert.is_nil(response.headers["transfer-encoding"])
    answering 'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\nContent-Length: 77\r\n\r\n'
    response = assert(http.send(conn, {}))
    assert.same({ 304, "false" }, { response.status, response.headers["x-has-body"] })
    assert.equal('"x"', response.headers.etag)
    answering { body = "next" }
    assert.equal("next", assert(http.send(conn, {})).body)
    conn:close()
  end)

  it("passes interim answers on", function()
    answering "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
    local response = assert(gw:ask {})
    assert.equal("x", response.body)
    assert.equal(103, response.interim[1].status)
    assert.equal("</a.css>", response.interim[1].headers.link)
  end)

  it("asks for the body that a client holds back (Expect: 100-continue), once", function()
    answering(function(request) return { body = request:read().body } end)
    local conn = connect()
    conn:send "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    assert.equal(100, assert(http.read_response_head(conn)).status)
    conn:send "hello"
    local response = assert(http.read_response(conn))
    assert.equal("hello", response.body)
    assert.same({}, response.interim)
    conn:close()
  end)

  it("does not ask for a body that nobody will read", function()
    local conn = connect()
    conn:send "POST / HTTP/1.1\r\nHost: nowhere.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    local response = assert(http.read_response(conn))
    assert.equal(404, response.status)
    assert.same({}, response.interim)
    conn:close()
  end)

  it("refuses an expectation that it does not know", function()
    assert.equal(417, assert(gw:ask { headers = { Expect = "miracles" } }).status)
  end)

  it("delivers an answer that comes during the upload, and loses no request after it", function()
    answering(function(request)
      request.stream:send "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nstop"
      loop.sleep(0.05)
      return nil
    end)
    local conn = connect()
    conn:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" .. ("x"):rep(1000))
    local response = assert(http.read_response(conn))
    assert.equal(403, response.status)
    assert.equal("stop", response.body)
    conn:close()
    answering { body = "ok" }
    assert.equal("ok", assert(gw:ask {}).body)
  end)

  it("tunnels after the upstream's 101", function()
    answering(function(request)
      assert(request.headers.upgrade == "echo", "no Upgrade upstream")
      assert(request.headers.connection:lower():find "upgrade", "no Connection: upgrade upstream")
      local conn = request.stream
      conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello "
      while true do
        local bytes = conn:read_some(1000)
        if not bytes then return nil end
        conn:send(bytes:upper())
        if bytes:find "bye" then return nil end
      end
    end)
    local conn = connect()
    conn:send "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    local response = assert(http.read_response_head(conn))
    assert.equal(101, response.status)
    assert.equal("echo", response.headers.upgrade)
    assert.equal("hello ", conn:read(6))
    conn:send "ab\0\r\n"
    assert.equal("AB\0\r\n", conn:read(5))
    conn:send "bye"
    assert.equal("BYE", conn:read(3))
    assert.is_true(conn:closed())
    conn:close()
  end)

  it("goes on in HTTP when the upstream does not upgrade", function()
    answering { body = "plain" }
    local conn = connect()
    conn:send "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    assert.equal("plain", assert(http.read_response(conn)).body)
    assert.equal("plain", assert(http.send(conn, {})).body)
    conn:close()
  end)

  it("reads requests and answers that come byte by byte", function()
    answering(function(request)
      request:read()
      local text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-Sum: 9\r\n\r\n"
      for byte in text:gmatch "." do
        request.stream:send(byte)
        loop.sleep(0)
      end
      return true
    end)
    local conn = connect()
    for byte in http.format { method = "POST", chunks = { "xyz", "1" }, trailers = { ["X-Sum"] = "7" } }:gmatch "." do
      conn:send(byte)
      loop.sleep(0)
    end
    assert.equal("ab", assert(http.read_response(conn)).body)
    assert.equal("xyz1", up:last().body)
    conn:close()
  end)

  it("speaks HTTP/1.1 for an upstream that answers in HTTP/1.0", function()
    answering(function(request)
      request.stream:send "HTTP/1.0 200 OK\r\nX-Old: 1\r\n\r\nold"
      return nil
    end)
    local response = assert(gw:ask {})
    assert.equal("old", response.body)
    assert.equal("1", response.headers["x-old"])
  end)

  it("closes when the client says so, and after HTTP/1.0", function()
    answering { body = "ok" }
    local conn = connect()
    local response = assert(http.send(conn, { headers = { Connection = "close" } }))
    assert.equal("close", response.headers.connection)
    assert.is_true(conn:closed())
    conn = connect()
    conn:send "GET / HTTP/1.0\r\nHost: a\r\n\r\n"
    assert.equal("ok", assert(http.read_response(conn)).body)
    assert.is_true(conn:closed())
  end)

  it("never ends a cut answer as if it were whole", function()
    answering(function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
      return nil
    end)
    assert.is_nil((gw:ask {}))
    answering(function(request)
      request.stream:send "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
      return nil
    end)
    assert.is_nil((gw:ask {}))
  end)

  it("saw no upstream request that a strict reader refuses", function()
    assert.same({}, up.errors)
  end)
end)
