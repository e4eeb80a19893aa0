local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local net = require "spec.support.net"
local socket = require "socket"

describe("addresses", function()
  after_each(gateway.stop_all)

  local CONFIG = [[
    return {
      listeners = { web = { address = "$host:$web" } },
      admin = { address = "127.0.0.1:$admin" },
      routes = { { policies = { { "respond", status = 200, body = "here" } } } },
    }]]

  local function values_of(ports, host) return { host = host or "127.0.0.1", web = ports[1], admin = ports[2] } end

  local function answers(port) return http.get(port, "/").body == "here" end

  local function admin_answers(port) return http.get(port, "/healthz/live").body == "live\n" end

  it("move by a reload: a listener's and the admin's", function()
    local before, after = { net.free_port(), net.free_port() }, { net.free_port(), net.free_port() }
    local gw = gateway.start { config = CONFIG, values = values_of(before), workers = 2 }
    assert.is_true(answers(before[1]) and admin_answers(before[2]))
    assert.is_true(gw:reload(CONFIG, values_of(after)))
    for _ = 1, 8 do assert.is_true(answers(after[1])) end -- every worker is there
    assert.is_true(admin_answers(after[2]))
    assert.is_false(net.accepts(before[1]))
    assert.is_false(net.accepts(before[2]))
  end)

  it("may swap their ports, and grow to all of the host's", function()
    local ports = { net.free_port(), net.free_port() }
    local gw = gateway.start { config = CONFIG, values = values_of(ports), workers = 2 }
    assert.is_true(gw:reload(CONFIG, values_of { ports[2], ports[1] }))
    for _ = 1, 8 do assert.is_true(answers(ports[2])) end
    assert.is_true(admin_answers(ports[1]))
    assert.is_true(gw:reload(CONFIG, values_of({ ports[2], ports[1] }, "0.0.0.0")))
    for _ = 1, 8 do assert.is_true(answers(ports[2])) end
  end)

  it("come and go: the admin's too", function()
    local ports = { net.free_port(), net.free_port() }
    local gw = gateway.start { config = CONFIG, values = values_of(ports) }
    assert.is_true(gw:reload(CONFIG:gsub("admin = [^\n]*\n", ""), values_of(ports)))
    assert.is_true(answers(ports[1]))
    assert.is_false(net.accepts(ports[2]))
    assert.is_true(gw:reload(CONFIG, values_of(ports)))
    assert.is_true(admin_answers(ports[2]))
  end)

  it("of more than one packet to a worker", function()
    local config = [[
      local listeners = { web = { address = "127.0.0.1:$web" } }
      for i = 0, 299 do
        local address = ("127.%d.%d.1:$web"):format(math.floor(i / 200) + $first, i % 200)
        listeners[("a-listener-with-a-long-name-%d"):format(i)] = { address = address }
      end
      return { listeners = listeners, routes = { { policies = { { "respond", status = 200, body = "here" } } } } }]]
    local gw = gateway.start { config = config, values = { first = 1 }, workers = 2 }
    assert.is_true(gw:reload(config, { first = 3 }))
    assert.is_true(answers(gw.ports.web))
    assert.is_true(answers("127.3.7.1:" .. gw.ports.web))
    assert.is_true(answers("127.4.49.1:" .. gw.ports.web))
  end)

  it("that others use are all told, with their lines, at the start and at a reload", function()
    local holders, taken = {}, {}
    for i = 1, 3 do
      holders[i] = assert(socket.bind("127.0.0.1", 0))
      taken[i] = select(2, holders[i]:getsockname())
    end
    local busy = ([[
      return {
        listeners = {
          one = { address = "127.0.0.1:%d" },
          two = { address = "127.0.0.1:%d" },
          web = { address = "127.0.0.1:$web" },
        },
        admin = { address = "127.0.0.1:%d" },
        routes = { { policies = { { "respond", status = 200, body = "here" } } } },
      }]]):format(unpack(taken))
    local function check(text)
      for i, line in ipairs { 3, 4, 7 } do
        local said = text:match(("gateway.lua:%d: ([^\n]*)"):format(line)) or "nothing of line " .. line
        assert.truthy(said:find("cannot listen on 127.0.0.1:" .. taken[i], 1, true), said)
      end
    end
    local path = gateway.write(gateway.folder() .. "/gateway.lua", (busy:gsub("$web", net.free_port())))
    local code, text = gateway.run("run", path)
    assert.equal(1, code)
    check(text)
    local gw = gateway.start { config = CONFIG, values = values_of { net.free_port(), net.free_port() } }
    assert.is_true(gw:reload(busy, { web = net.free_port() }, "reload refused"))
    check(gw:log())
    for _, holder in ipairs(holders) do holder:close() end
  end)
end)
