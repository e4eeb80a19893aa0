--- moongate.socket in a policy, against a peer that is quick, slow, silent, gone and talks too much.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("moongate.socket", function()
  local gw, peer, seen

  setup(function()
    peer = upstream.start()
    local folder = gateway.folder()
    certs.make(folder)
    gw = gateway.start { values = { peer = peer.address, ca = process.file(folder .. "/ca.crt"),
      cert = folder .. "/a.test.crt",
      key = folder .. "/a.test.key" }, args = { "--policy-path", "spec/support/policies" }, config = [===[
      return {
        budgets = { memory = "512MiB" }, -- for one string of 20 MB
        listeners = { web = { address = "127.0.0.1:$web" }, other = { address = "127.0.0.1:$other" },
          tls = { address = "127.0.0.1:$tls", tls = { cert = "$cert", key = "$key" } } },
        routes = {
          { listeners = { "tls" }, policies = { { "respond", body = "secure" } } },
          { listeners = { "web" }, policies = { { "talker", address = "$peer" } } },
          { listeners = { "other" }, policies = { { "talker", address = "127.0.0.1:$tls", ca = [==[$ca]==] } } },
        },
      }]===] }
  end)
  teardown(gateway.stop_all)
  before_each(function() seen = nil end)

  local function ask(path, headers, name) return assert(gw:ask({ path = path, headers = headers }, name)).body end

  it("connects, writes and reads; in one request or in several", function()
    peer.raw = function(conn)
      for line in function() return conn:read_until("\r\n", 30) end do
        seen = line
        conn:send("you said " .. line)
      end
    end
    assert.equal("connected|written|you said hello\r\n", ask("/connect/write/line", { text = "hello" }))
    assert.equal("hello\r\n", seen)
    assert.equal("written|you sa", ask("/write/read", { text = "again", count = 6 }))
    assert.equal("id again\r\n", ask("/line"))
    assert.equal("", ask("/read", { count = 0 }))
    assert.equal("socket: timed out", ask("/read", { count = 1, timeout = 50 }))
    assert.equal("written|you said more\r\n|closed|socket: is closed", ask("/write/line/close/line", { text = "more" }))
  end)

  it("reads what is longer than its buffer, and no line that is", function()
    local long = ("0123456789"):rep(50000)
    peer.raw = function(conn)
      conn:send(long)
      conn:read_until("\r\n", 30)
      conn:send("end")
    end
    assert.equal("connected|500000|written|end", (ask("/connect/read", { count = #long }) .. "|"
      .. ask("/write/read", { text = "go", count = 3 })))
    assert.matches("^connected|socket: ", ask "/connect/line")
    ask "/close"
  end)

  it("says why there is no connection, or none any more", function()
    assert.matches("^socket: ", ask("/connect", { address = "127.0.0.1:" .. net.free_port() }))
    assert.equal("socket: not an address: expected host:port or unix:/path", ask("/connect", { address = "nowhere" }))
    assert.matches("^socket: ", ask("/connect", { address = "no.such.name.invalid:1" }))
    peer.raw = function(conn) conn:send "bye" end
    assert.matches("^connected|bye|socket: ", ask("/connect/read/line", { count = 3 }))
    assert.matches("^socket: ", ask("/line"))
    assert.matches("^socket: ", ask("/write", { text = "x" }))
  end)

  it("does not write on and on to a peer that does not read", function()
    local go_on = false
    peer.raw = function(conn)
      loop.poll(function() return go_on or nil end, 30)
      conn:read(20000000, 30)
      conn:send "all"
    end
    assert.equal("connected|written", ask("/connect/write", { size = 20000000, timeout = 0 }))
    assert.matches("^socket: ", ask("/write", { size = 1, timeout = 0 })) -- nothing of it was taken
    go_on = true
    assert.equal("all", ask("/read", { count = 3 }))
  end)

  it("ends the wait of a request whose client has left, and goes on to serve others", function()
    peer.raw = function(conn)
      local line = conn:read_until("\r\n", 30)
      conn:send(line)
    end
    assert.equal("connected", ask "/connect")
    local conn = stream.connect(gw.ports.web)
    conn:send "GET /line HTTP/1.1\r\nHost: a.test\r\nTimeout: 60000\r\n\r\n"
    loop.sleep(0.2)
    conn:close()
    assert.equal("written|still here\r\n", loop.poll(function()
      local said = ask("/write/line", { text = "still here" })
      return not said:find "phase" and said or nil
    end))
  end)

  it("closes what a request alone has used, when its client leaves; no policy has raised then", function()
    local heard, ended = false, false
    peer.raw = function(conn)
      heard = conn:read_until("\r\n", 30)
      ended = not conn:read(1, 30)
    end
    local conn = stream.connect(gw.ports.web)
    conn:send "GET /connect/write/line HTTP/1.1\r\nHost: a.test\r\nText: hello\r\n\r\n"
    assert.truthy(loop.poll(function() return heard end))
    conn:close()
    assert.truthy(loop.poll(function() return ended or nil end, 20))
    assert.equal("socket: is closed", ask "/line")
    assert.is_nil(gw:log():find("a policy raised", 1, true))
  end)

  it("gives a connection up whose client leaves before it stands", function()
    local hellos, ended = 0, {}
    peer.raw = function(conn)
      conn:read(1, 30)
      hellos = hellos + 1
      local number = hellos
      repeat until not conn:read(1, 30) -- says nothing, so that TLS does not stand
      ended[#ended + 1] = number
    end
    local conns = {}
    for i = 1, 2 do
      conns[i] = stream.connect(gw.ports.other)
      conns[i]:send("GET /connect HTTP/1.1\r\nHost: a.test\r\nAddress: " .. peer.address .. "\r\n\r\n")
      assert.truthy(loop.poll(function() return hellos == i or nil end, 20))
    end
    conns[2]:close()
    assert.truthy(loop.poll(function() return ended[1] end, 30))
    assert.equal(2, ended[1]) -- else both have had their time
    conns[1]:close()
  end)

  it("speaks TLS, and verifies whom it speaks to", function()
    assert.matches("^socket: ", ask("/connect", { name = "b.test" }, "other"))
    assert.equal("connected", ask("/connect", { name = "a.test" }, "other"))
    assert.equal("written|HTTP/1.1 200 OK\r\n", ask("/write/line", { text = "GET / HTTP/1.1|Host: a|" }, "other"))
  end)
end)
