--- What the gateway gives up, and for whom, when connections, descriptors or memory run out.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local function is_sanitized() return gateway.binary:find "asan" ~= nil end

describe("overload", function()
  local up

  before_each(function() up = upstream.start() end)

  after_each(gateway.stop_all)

  local function start(limits, more, options)
    options = options or {}
    options.values = { up = up.address }
    options.config = ([[
      return {
        listeners = { web = { address = "127.0.0.1:$web", limits = { %s } } },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { backends = { { service = "up" } } } },
        %s
      }]]):format(limits, more or "")
    return gateway.start(options)
  end

  -- A client that has asked once and goes on waiting.
  local function idle(gw)
    local conn = stream.connect(gw.ports.web)
    assert.equal(200, assert(http.send(conn, {})).status)
    return conn
  end

  it("closes the oldest idle connections when clients wait at a listener's bound", function()
    local gw = start "connections = 4"
    local held = {}
    for i = 1, 4 do
      held[i] = idle(gw)
      loop.sleep(0.02)
    end
    -- The first is the youngest when it asks again, so the others go before it.
    loop.sleep(0.02)
    assert.equal(200, assert(http.send(held[1], {})).status)
    local late = idle(gw)
    assert.is_true(held[2]:closed())
    assert.equal(200, assert(http.send(held[1], {})).status)
    assert.truthy(gw:logged "overload: connections")
    assert.is_true(gw:metric("moongate_overload_actions_total", { action = "closed_idle" }) >= 1)
    late:close()
  end)

  it("closes none that are busy, and serves who waits when one is done", function()
    local gw = start "connections = 2"
    local answers = {}
    up.answer = function(request)
      if request.target == "/slow" then loop.poll(function() return answers[1] end, 20) end
      return { body = "done" }
    end
    local first, second = stream.connect(gw.ports.web), stream.connect(gw.ports.web)
    first:send(http.format { path = "/slow" })
    second:send(http.format { path = "/slow" })
    loop.poll(function() return #up.requests == 2 end, 5)
    local third = stream.connect(gw.ports.web)
    third:send(http.format {})
    assert.is_nil(http.read_response(third, "GET", 0.8)) -- longer than three looks
    answers[1] = true
    assert.equal("done", assert(http.read_response(first)).body)
    assert.equal("done", assert(http.read_response(second)).body)
    assert.equal(200, assert(http.read_response(third, "GET", 5)).status)
  end)

  it("bounds the connections of one client, and of no other", function()
    local gw = start "connections_per_client = 3"
    local held = {}
    for i = 1, 3 do held[i] = idle(gw) end
    local fourth = stream.connect(gw.ports.web)
    assert.is_true(fourth:closed())
    assert.equal(1, gw:counts("moongate_overload_actions_total", { action = "refused_client" }, 1))
    assert.equal(200, assert(http.send(held[1], {})).status)
    held[2]:close()
    assert.truthy(http.ask_until(gw.ports.web, {}, function(answer) return answer.status == 200 end))
  end)

  it("bounds them from accept on, handshakes and PROXY headers included", function()
    local folder = certs.make(gateway.folder())
    local gw = gateway.start { values = { up = up.address, certs = folder }, config = [[
      local tls = { cert = "$certs/a.test.crt", key = "$certs/a.test.key", permissive = true }
      return {
        listeners = {
          web = { address = "127.0.0.1:$web", tls = tls, limits = { connections_per_client = 3 } },
          behind = { address = "127.0.0.1:$behind", tls = tls, proxy_protocol = true,
                     limits = { connections_per_client = 1 } },
        },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { backends = { { service = "up" } } } },
      }]] }
    local function refused() return (gw:metric("moongate_overload_actions_total", { action = "refused_client" })) end
    local held = {}
    for i = 1, 3 do
      held[i] = stream.connect(gw.ports.web)
      held[i]:send(i < 3 and "\22" or "") -- a handshake that does not go on; nothing at all
    end
    assert.is_true(stream.connect(gw.ports.web):closed())
    held[1]:close()
    assert.truthy(http.ask_until(gw.ports.web, {}, function(answer) return answer.status == 200 end))
    local before = refused() -- by how many came before the close was seen
    held[4] = stream.connect(gw.ports.behind)
    held[4]:send "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n"
    held[5] = stream.connect(gw.ports.behind)
    held[5]:send "PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n"
    held[6] = stream.connect(gw.ports.behind)
    held[6]:send "PROXY TCP4 192.0.2.2 192.0.2.9 1 2\r\n"
    assert.is_true(held[5]:closed())
    assert.equal(before + 1, refused())
    assert.equal(200, assert(http.send(held[6], {})).status)
  end)

  it("stops accepting before descriptors run out, and goes on", function()
    -- A quarter of 200 descriptors is 50 connections.
    local gw = start("", "", { shell = "ulimit -n 200" })
    local held = {}
    for i = 1, 60 do
      held[i] = stream.connect(gw.ports.web)
      held[i]:send "GET / HTTP/1.1\r\nHost: a\r\n" -- a head that is not whole: none of these is idle
    end
    local waiting = stream.connect(gw.ports.web)
    waiting:send(http.format {})
    assert.truthy(gw:logged "overload: descriptors")
    assert.is_nil(http.read_response(waiting, "GET", 0.3))
    assert.is_nil(gw:log():find("cannot accept", 1, true))
    for i = 1, 60 do held[i]:close() end
    assert.equal(200, assert(http.read_response(waiting, "GET", 10)).status)
    assert.truthy(gw:logged "overload: descriptors suffice")
  end)

  it("closes the oldest idle connections upstream before descriptors run out", function()
    local ups, services, routes, ATONCE = {}, {}, {}, 10
    for i = 1, 12 do
      ups[i] = upstream.start(function(request)
        request:read()
        loop.poll(function() return #ups[i].requests >= ATONCE or nil end, 20)
        return { body = "done" }
      end)
      services[i] = ("s%d = { endpoints = { %q } },"):format(i, ups[i].address)
      routes[i] = ('{ match = { path = { exact = "/%d" } }, backends = { { service = "s%d" } } },'):format(i, i)
    end
    -- 120 connections would be kept idle, of 100 descriptors.
    local gw = gateway.start { shell = "ulimit -n 100", config = ([[
      return { listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
        services = { %s }, routes = { %s } }]]):format(table.concat(services), table.concat(routes)) }
    for i = 1, 12 do
      local asked = {}
      for n = 1, ATONCE do
        asked[n] = function() assert.equal(200, assert(gw:ask { path = "/" .. i }).status) end
      end
      loop.all(unpack(asked))
    end
    assert.is_nil(gw:log():find("cannot accept", 1, true))
    assert.is_truthy(loop.poll(function()
      return gw:metric("moongate_overload_actions_total", { action = "closed_upstream" }) >= 70 or nil
    end))
    assert.equal(200, assert(gw:ask { path = "/1" }).status) -- whose connections were closed
  end)

  it("refuses new requests with 503 when memory is at its ceiling, and goes on below it", function()
    if is_sanitized() then pending "a sanitizer keeps what was freed" return end
    local gw = start("", [[overload = { memory = "32MiB" }, budgets = { memory = "1GiB" },
      policies = { { "gather" } },]], {
      args = { "--policy-path", "$folder" },
      files = { ["gather.lua"] = [[
        local gather = { body = { request = "whole", limit = "64MiB" } }
        function gather.request_body() end
        return gather]] },
    })
    local old, large = idle(gw), stream.connect(gw.ports.web)
    large:send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50331649\r\n\r\n" .. ("x"):rep(50331648))
    assert.truthy(gw:logged("memory is at its ceiling", 20))
    assert.is_true(old:closed())
    assert.equal(1, gw:counts("moongate_overload_actions_total", { action = "closed_upstream" }, 1)) -- old's
    -- A connection that has not asked yet is idle, and may be closed, too.
    local refused = assert(http.ask_until(gw.ports.web, {}, function(answer) return answer.status == 503 end, 20))
    assert.equal("close", refused.headers.connection)
    assert.truthy(gw:logged "status=503 flags=OM")
    assert.is_true(gw:metric("moongate_overload_actions_total", { action = "refused_request" }) >= 1)
    assert.equal(1, (gw:metric("moongate_overload_active", { resource = "memory" })))
    large:send "x" -- what had begun is served
    assert.equal(200, assert(http.read_response(large, "POST", 20)).status)
    large:close()
    assert.truthy(http.ask_until(gw.ports.web, {}, function(answer) return answer.status == 200 end, 20))
    assert.truthy(gw:logged "memory is below its ceiling again")
  end)
end)
