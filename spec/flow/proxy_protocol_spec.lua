--- The PROXY protocol, in at listeners and out to services.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local SIGNATURE = "\r\n\r\n\0\r\nQUIT\n"
local LINE = "PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n"
local LINE6 = "PROXY TCP6 2001:db8::7 2001:db8::2 56324 443\r\n"
local BINARY = SIGNATURE .. "\33\17\0\12\192\0\2\9\198\51\100\2\220\4\1\187"
local LOCAL = SIGNATURE .. "\32\0\0\0"

describe("the PROXY protocol", function()
  local gw, up, raw, seen

  -- Reads a header of either version, keeps it, and answers every request of the connection.
  local function serve(conn)
    local line = conn:read(16)
    if not line then return end
    if line:sub(1, 12) == SIGNATURE then
      local n = line:byte(15) * 256 + line:byte(16)
      line = line .. (n > 0 and conn:read(n) or "")
    else
      line = line .. conn:read_until "\n"
    end
    seen[#seen + 1] = line
    while true do
      local request = http.read_request_head(conn, 10)
      if not request then return end
      conn:send "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    end
  end

  setup(function()
    local folder = certs.make(gateway.folder())
    up, raw = upstream.start(), upstream.start()
    raw.raw = serve
    gw = gateway.start { values = { certs = folder, up = up.address, raw = raw.address }, config = [[
      local pair = { cert = "$certs/a.test.crt", key = "$certs/a.test.key" }
      local function told(version) return { proxy_protocol = version, endpoints = { { address = "$raw" } } } end
      local function route(name)
        local near = { "web", "both", "plain" }
        return { listeners = near, hosts = { name .. ".test" }, backends = { { service = name } } }
      end
      local few = told(1)
      few.circuit_breaker = { max_connections = 1 }
      return {
        admin = { address = "127.0.0.1:$admin" },
        listeners = {
          web = { address = "127.0.0.1:$web", proxy_protocol = true },
          tls = { address = "127.0.0.1:$tls", proxy_protocol = true, tls = pair },
          both = { address = "127.0.0.1:$both", proxy_protocol = true,
            tls = { cert = pair.cert, key = pair.key, permissive = true } },
          far = { address = "127.0.0.1:$far", proxy_protocol = true },
          plain = { address = "127.0.0.1:$plain" },
        },
        services = { up = { endpoints = { { address = "$up" } } }, one = told(1), two = told(2), few = few,
          chain = { proxy_protocol = 2, endpoints = { { address = "127.0.0.1:$far" } } },
          secret = { proxy_protocol = 1, tls = { ca = "$certs/ca.crt", sni = "a.test" },
            endpoints = { { address = "127.0.0.1:$tls" } } } },
        policies = { { "access_log", path = "stdout", format = "ACCESS %DOWNSTREAM_REMOTE_ADDRESS%" } },
        routes = { route "up", route "one", route "two", route "few", route "chain", route "secret",
          { listeners = { "far", "tls" }, backends = { { service = "up" } } } },
      }]] }
  end)

  teardown(gateway.stop_all)
  before_each(function() seen = {} end)

  local function ask_with(header, port, host)
    local conn = stream.connect(gw.ports[port or "web"])
    assert(conn:send(header))
    local response = http.send(conn, { host = host or "up.test" })
    return response, conn
  end

  local function told() return up:last().headers["x-forwarded-for"] end

  it("tells who the client is", function()
    for header, address in pairs { [LINE] = "192.0.2.7", [LINE6] = "2001:db8::7", [BINARY] = "192.0.2.9",
      [LOCAL] = "127.0.0.1", ["PROXY UNKNOWN\r\n"] = "127.0.0.1" } do
      local response, conn = ask_with(header)
      assert.equal(200, response.status)
      assert.equal(address, told())
      assert.equal(200, http.send(conn, { host = "up.test" }).status) -- the connection's, not the request's
      assert.equal(address, told())
      conn:close()
    end
    assert.truthy(gw:logged "ACCESS 192.0.2.7:56324")
  end)

  it("is read byte by byte, and not a byte too many", function()
    for _, header in ipairs { LINE, BINARY } do
      local conn = stream.connect(gw.ports.web)
      for i = 1, #header do
        conn:send(header:sub(i, i))
        loop.sleep(0.001)
      end
      assert.equal(200, http.send(conn, { host = "up.test" }).status)
      conn:close()
      conn = stream.connect(gw.ports.web)
      conn:send(header .. "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n")
      assert.matches("^HTTP/1.1 200", conn:read_until "\r\n")
      conn:close()
    end
  end)

  it("is refused when it is wrong or absent, without an answer", function()
    for _, bytes in ipairs { "GET / HTTP/1.1\r\nHost: up.test\r\n\r\n", "PROXY TCP4 192.0.2.7 198.51.100.2 1\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\n", "\22\3\1\0\0", SIGNATURE .. "\33\17\0\4\1\2\3\4",
      ("PROXY UNKNOWN "):rep(20) } do
      local conn = stream.connect(gw.ports.web)
      conn:send(bytes)
      assert.is_true(conn:closed(5))
      conn:close()
    end
    assert.truthy(gw:logged "without a valid PROXY header")
    assert.equal(6, gw:counts("moongate_connections_refused_total", { listener = "web", reason = "proxy_header" }, 6))
  end)

  it("has a limit of time", function()
    local conn = stream.connect(gw.ports.web)
    conn:send "PROXY TCP4 "
    assert.is_true(conn:closed(20))
    conn:close()
  end)

  it("stands before TLS, and before what may be either", function()
    local response = ask_with(LINE, "both")
    assert.equal(200, response.status)
    assert.equal("192.0.2.7", told())
    assert.equal(200, http.ask(gw.ports.plain, { host = "secret.test" }).status)
    assert.equal("127.0.0.1, 127.0.0.1", told())
  end)

  it("tells a service who the client is", function()
    local conn = stream.connect(gw.ports.plain)
    local _, port = conn.sock:getsockname()
    for _, host in ipairs { "one.test", "two.test" } do
      for _ = 1, 3 do assert.equal(200, http.send(conn, { host = host }).status) end
    end
    conn:close()
    assert.equal(2, #seen) -- one client's requests share a connection
    assert.equal(("PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n"):format(port, gw.ports.plain), seen[1])
    local function two(n) return string.char(math.floor(n / 256), n % 256) end
    assert.equal(SIGNATURE .. "\33\17\0\12\127\0\0\1\127\0\0\1" .. two(port) .. two(gw.ports.plain), seen[2])
  end)

  it("keeps clients apart, also where connections are few", function()
    for _, host in ipairs { "one.test", "few.test" } do
      seen = {}
      for _ = 1, 3 do assert.equal(200, http.ask(gw.ports.plain, { host = host }).status) end
      assert.equal(3, #seen)
    end
  end)

  it("passes a client on from hop to hop", function()
    local response = ask_with(LINE6, "web", "chain.test")
    assert.equal(200, response.status)
    assert.equal("2001:db8::7, 2001:db8::7", told())
  end)
end)
