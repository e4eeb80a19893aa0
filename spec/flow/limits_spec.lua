local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("limits", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = {
          web = { address = "127.0.0.1:$web", limits = {
            request_line_bytes = 200, header_bytes = 1000, header_count = 10, body_bytes = 1000, trailer_bytes = 100,
            header_timeout = "300ms", body_timeout = "300ms", idle_timeout = "500ms", requests_per_connection = 3 } },
          few = { address = "127.0.0.1:$few", limits = { connections = 2 } },
        },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        policies = { "metrics" },
        routes = { { backends = { { service = "up" } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- Sends bytes; the status of the answer, which must close the connection.
  local function refused(bytes)
    local before, conn = #up.requests, stream.connect(gw.ports.web)
    conn:send(bytes)
    local response = assert(http.read_response(conn))
    assert.equal("close", response.headers.connection)
    assert.is_true(conn:closed())
    conn:close()
    assert.equal(before, #up.requests)
    return response.status
  end

  it("refuses a long request line with 414", function()
    assert.equal(414, refused(http.format { path = "/" .. ("x"):rep(200) }))
    assert.equal(200, assert(gw:ask { path = "/" .. ("x"):rep(100) }).status)
  end)

  it("refuses long headers with 431, also before their end", function()
    assert.equal(431, refused(http.format { headers = { ["X-Long"] = ("x"):rep(1000) } }))
    assert.equal(431, refused("GET / HTTP/1.1\r\nHost: a\r\nX-Long: " .. ("x"):rep(2000)))
  end)

  it("refuses many headers with 431", function()
    local headers = {}
    for i = 1, 10 do headers["X-" .. i] = "1" end
    assert.equal(431, refused(http.format { headers = headers }))
  end)

  it("refuses a long body with 413: at once when it is announced, later when it comes in chunks", function()
    assert.equal(413, refused "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format { method = "POST", chunks = { ("x"):rep(600), ("y"):rep(600) } })
    assert.equal(413, assert(http.read_response(conn)).status)
    assert.is_true(conn:closed())
    assert.equal(200, assert(gw:ask { method = "POST", body = ("x"):rep(1000) }).status)
  end)

  it("ends a head that does not come in time with 408", function()
    assert.equal(408, refused "GET / HTTP/1.1\r\nHost: a\r\n")
  end)

  it("ends a body that does not come in time with 408", function()
    local conn = stream.connect(gw.ports.web)
    conn:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
    assert.equal(408, assert(http.read_response(conn)).status)
    assert.is_true(conn:closed())
  end)

  it("ends a body that drips, each byte in time, with 408", function()
    local conn = stream.connect(gw.ports.web)
    conn:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n"
    for _ = 1, 12 do
      pcall(conn.send, conn, "x")
      loop.sleep(0.05)
    end
    assert.equal(408, assert(http.read_response(conn)).status)
    assert.is_true(conn:closed())
  end)

  it("closes a connection that stays idle, without a word", function()
    local conn = stream.connect(gw.ports.web)
    assert.equal(200, assert(http.send(conn, {})).status)
    assert.is_true(conn:closed())
  end)

  it("closes a connection after its last request", function()
    local conn = stream.connect(gw.ports.web)
    assert.is_nil(assert(http.send(conn, {})).headers.connection)
    assert.is_nil(assert(http.send(conn, {})).headers.connection)
    assert.equal("close", assert(http.send(conn, {})).headers.connection)
    assert.is_true(conn:closed())
  end)

  it("serves no more connections at once than allowed, and more when some have gone", function()
    local first, second = stream.connect(gw.ports.few), stream.connect(gw.ports.few)
    assert.equal(200, assert(http.send(first, {})).status)
    assert.equal(200, assert(http.send(second, {})).status)
    first:send "GET / HTTP/1.1\r\n" -- from now on neither is idle: an idle one would make room
    second:send "GET / HTTP/1.1\r\n"
    local third = stream.connect(gw.ports.few)
    third:send(http.format {})
    -- Either it waits for its turn, or it is closed unanswered.
    local response = http.read_response(third, "GET", 0.3)
    assert.is_nil(response)
    third:close()
    first:close()
    assert.truthy(http.ask_until(gw.ports.few, {}, function(answer) return answer.status == 200 end))
    second:close()
  end)

  it("logs and counts what it refused", function()
    refused(http.format { path = "/" .. ("x"):rep(200) })
    assert.truthy(gw:logged "status=414")
  end)

  it("logs a flood of them in a few lines a second, and says how many more there were", function()
    local conns, from, start, N = {}, #gw:log(), loop.now(), 200
    for i = 1, N do
      conns[i] = stream.connect(gw.ports.web)
      conns[i]:send "GET /flood HTTP/9.9\r\n\r\n"
    end
    for i = 1, N do conns[i]:close() end
    local function all_said()
      local lines, more = 0, 0
      for line in gw:log(from):gmatch "[^\n]+" do
        if line:find("status=505", 1, true) then lines = lines + 1 end
        more = more + (tonumber(line:match "refused (%d+) more requests") or 0)
      end
      return lines + more == N and lines or nil
    end
    local lines = assert(loop.poll(all_said, 20), gw:log(from))
    assert.is_true(lines <= 20 * (loop.now() - start + 2), lines .. " lines")
  end)
end)
