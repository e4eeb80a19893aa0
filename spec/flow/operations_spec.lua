--- What an operator and a policy's author do with a gateway that runs.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local socket = require "socket"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("operations:", function()
  local up, gw

  before_each(function() up = upstream.start() end)
  after_each(gateway.stop_all)

  local function saying(word)
    return ("return { schema = {}, request = function(_, ctx) return ctx:respond(200, '%s') end }"):format(word)
  end

  it("a policy that was edited is used after a reload; a broken one is refused", function()
    local config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, routes = { { policies = { "mine" } } } }]]
    gw = gateway.start { config = config, files = { ["mine.lua"] = saying "one" },
      args = { "--policy-path", "$folder" } }
    assert.equal("one", assert(gw:ask {}).body)
    gateway.write(gw.folder .. "/mine.lua", saying "two")
    assert.truthy(gw:reload(config))
    assert.truthy(http.ask_until(gw.ports.web, {}, function(response) return response.body == "two" end, 5))
    gateway.write(gw.folder .. "/mine.lua", "return { schema = {}, request = function( end }")
    assert.truthy(gw:reload(config, nil, "reload refused"))
    assert.truthy(gw:log():find("mine.lua:1:", 1, true))
    assert.equal("two", assert(gw:ask {}).body)
  end)

  it("logs are opened anew on SIGUSR1", function()
    local file = gateway.folder() .. "/access"
    gw = gateway.start { values = { file = file }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      policies = { { "access_log", path = "$file", format = "%REQ(:PATH)%" } },
      routes = { { policies = { "respond" } } } }]] }
    local function wait_for(path, text)
      return loop.poll(function()
        gw:ask { path = text }
        return (process.file(path) or ""):find(text, 1, true)
      end, 10)
    end
    assert.truthy(wait_for(file, "/before"))
    os.rename(file, file .. ".1")
    gw:signal(10)
    assert.truthy(wait_for(file, "/after"))
    assert.is_nil(process.file(file):find("/before", 1, true))
  end)

  it("a worker starts again though its log's folder is gone, and logs when that is back", function()
    local folder = gateway.folder() .. "/logs"
    assert(os.execute("mkdir " .. folder) == 0)
    gw = gateway.start { values = { file = folder .. "/access" }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } },
      policies = { { "access_log", path = "$file", format = "%REQ(:PATH)%" } },
      routes = { { policies = { "respond" } } } }]] }
    assert(os.execute("rm -r " .. folder) == 0)
    process.signal(gw:children()[1], 9)
    assert.truthy(gw:logged("cannot open " .. folder .. "/access yet", 20))
    assert.truthy(http.ask_until(gw.ports.web, { path = "/kept" }, function(answer) return answer.status == 200 end))
    assert(os.execute("mkdir " .. folder) == 0)
    assert.truthy(loop.poll(function() return (process.file(folder .. "/access") or ""):find("/kept", 1, true) end, 20))
    gw:stop { crash = true }
  end)

  it("a full disk, and a reader that does not read, cost lines that are counted and no request", function()
    local folder = gateway.folder()
    os.execute("mkfifo " .. folder .. "/pipe")
    local reader = assert(io.open(folder .. "/pipe", "r+")) -- holds it open, and never reads
    for _, path in ipairs { "/dev/full", folder .. "/pipe" } do
      gw = gateway.start { values = { path = path }, config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
        policies = { { "access_log", path = "$path", format = "%REQ(:PATH)%" } },
        routes = { { policies = { "respond" } } } }]] }
      local conn = stream.connect(gw.ports.web)
      for _ = 1, 200 do assert.equal(200, http.send(conn, { path = "/" .. ("x"):rep(4000) }).status) end
      conn:close()
      assert.is_true(loop.poll(function() return gw:metric "moongate_log_lines_dropped_total" > 50 or nil end, 10))
      gw:stop()
    end
    reader:close()
  end)

  it("a certificate that is renewed on the disk is taken at once", function()
    local folder = certs.make(gateway.folder())
    local function use(name)
      for _, kind in ipairs { "key", "crt" } do
        os.execute(("cd '%s' && cp %s.%s new && mv new own.%s"):format(folder, name, kind, kind))
      end
    end
    use "a.test"
    gw = gateway.start { values = { folder = folder }, config = [[return { listeners = { web = {
      address = "127.0.0.1:$web", tls = { cert = "$folder/own.crt", key = "$folder/own.key" } } },
      routes = { { policies = { "respond" } } } }]] }
    local function subject()
      return process.read(("openssl s_client -connect 127.0.0.1:%d </dev/null 2>/dev/null | grep ^subject"):format(
        gw.ports.web)):match "CN = ([^%s]+)"
    end
    assert.equal("a.test", subject())
    use "b.test"
    assert.is_true(loop.poll(function() return subject() == "b.test" or nil end, 30), gw:log())
    loop.sleep(0.5) -- the last reload, if another one follows, is through
    local before = #gw:log()
    gateway.write(gw.path, "return {}") -- the config itself is not watched
    loop.sleep(0.5)
    assert.equal("", gw:log():sub(before + 1))
  end)

  it("certificates are read anew on a reload", function()
    local folder = certs.make(gateway.folder())
    local function config(name)
      local text = [[return { listeners = { web = { address = "127.0.0.1:$web",
        tls = { cert = "DIR/NAME.crt", key = "DIR/NAME.key" } } }, routes = { { policies = { "respond" } } } }]]
      return (text:gsub("DIR", folder):gsub("NAME", name))
    end
    gw = gateway.start { config = config "a.test" }
    local function subject()
      return process.read(("openssl s_client -connect 127.0.0.1:%d </dev/null 2>/dev/null | grep ^subject"):format(
        gw.ports.web)):match "CN = ([^%s]+)"
    end
    assert.equal("a.test", subject())
    assert.truthy(gw:reload(config "b.test"))
    assert.truthy(loop.poll(function() return subject() == "b.test" or nil end))
    os.remove(folder .. "/b.test.key")
    assert.truthy(gw:reload(config "b.test", nil, "reload refused"))
    assert.equal("b.test", subject())
  end)

  it("a service's endpoints change on a reload, and the old one's connections are closed", function()
    local second = upstream.start(function(request)
      request:read()
      return { body = "second" }
    end)
    local config = [[return { listeners = { web = { address = "127.0.0.1:$web" } },
      services = { up = { endpoints = { { address = "$up" } } } },
      routes = { { backends = { { service = "up" } } } } }]]
    gw = gateway.start { config = config, values = { up = up.address } }
    assert.equal("ok", assert(gw:ask {}).body)
    assert.truthy(gw:reload(config, { up = second.address }))
    assert.truthy(http.ask_until(gw.ports.web, {}, function(response) return response.body == "second" end, 5))
    for _ = 1, 5 do assert.equal("second", assert(gw:ask {}).body) end
    assert.is_true(up.open[1]:closed(10))
  end)

  it("an endpoint and a listener may have IPv6 addresses", function()
    local far = assert(socket.tcp6())
    if not far:bind("::1", 0) then return pending "there is no IPv6 here" end
    far:close()
    gw = gateway.start { config = [[return {
      listeners = { six = { address = "[::1]:$six" }, web = { address = "127.0.0.1:$web" } },
      services = { six = { endpoints = { { address = "[::1]:$six" } } } },
      routes = { { listeners = { "six" }, policies = { { "respond", body = "six" } } },
        { listeners = { "web" }, backends = { { service = "six" } } } } }]] }
    assert.equal("six", assert(gw:ask {}).body)
  end)

  it("a second SIGTERM ends what is in progress, and SIGINT is as good", function()
    up.answer = function(request)
      request:read()
      loop.sleep(30)
      return nil
    end
    gw = gateway.start { values = { up = up.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, services = { up = { endpoints = { { address = "$up" } } } },
      routes = { { backends = { { service = "up" } } } } }]] }
    local conn = stream.connect(gw.ports.web)
    conn:send(http.format {})
    assert.truthy(loop.poll(function() return up:last() end))
    local began = loop.now()
    gw:signal(2)
    loop.sleep(0.3)
    assert.is_true(process.alive(gw.process))
    gw:stop { crash = true }
    assert.is_true(loop.now() - began < 15)
    conn:close()
  end)

  it("a tunnel is ended when the gateway has waited long enough for it #slow", function()
    up.answer = function(request)
      request.stream:send "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
      request.stream:read_all(60)
      return nil
    end
    gw = gateway.start { values = { up = up.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, services = { up = { endpoints = { { address = "$up" } } } },
      routes = { { backends = { { service = "up" } } } } }]] }
    local conn = stream.connect(gw.ports.web)
    conn:send "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
    assert.equal(101, assert(http.read_response_head(conn)).status)
    gw:signal(15)
    assert.is_true(conn:closed(40))
    gw:stop()
  end)

  it("hundreds of connections at once are served", function()
    gw = gateway.start { workers = 2, values = { up = up.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, services = { up = { endpoints = { { address = "$up" } } } },
      routes = { { backends = { { service = "up" } } } } }]] }
    local conns = {}
    for i = 1, 400 do conns[i] = stream.connect(gw.ports.web) end
    for i = 1, 400 do conns[i]:send(http.format { path = "/" .. i }) end
    for i = 1, 400 do assert.equal("ok", assert(http.read_response(conns[i])).body) end
    for i = 1, 400 do conns[i]:close() end
  end)
end)
