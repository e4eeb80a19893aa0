--- What the processes are to the system: pid file, user, rights, service manager; and another binary that takes over.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"
local unix = require "socket.unix"

local SIGTERM = 15
local AS_ROOT = process.read "id -u" == "0\n"

local function status_of(pid, name)
  return (process.file(("/proc/%d/status"):format(pid)) or ""):match("\n" .. name .. ":%s*(%S+)")
end

describe("the processes", function()
  local folder

  before_each(function()
    folder = gateway.folder()
    os.execute("chmod 755 " .. folder)
  end)

  after_each(gateway.stop_all)

  local CONFIG = [[return {
    listeners = { web = { address = "127.0.0.1:$web" }, path = { address = "unix:$folder/web" } },
    admin = { address = "127.0.0.1:$admin" },
    process = { pid_file = "$folder/pid" $more },
    routes = { { policies = { { "respond", body = "$mark" } } } },
  }]]

  local function start(more, workers)
    local values = { folder = folder, more = more or "", mark = "one" }
    local gw = gateway.start { config = CONFIG, values = values, workers = workers or 2 }
    os.execute("chmod 755 " .. gw.folder)
    return gw, values
  end

  local function id() return tonumber(process.file(folder .. "/pid")) end

  -- Stops a gateway that is no child of this process.
  local function stop(pid)
    process.signal(pid, SIGTERM)
    assert(loop.poll(function() return id() == nil or nil end, 40), "it did not end")
  end

  it("write their id, and take it away", function()
    local gw = start()
    assert.equal(gw.pid, id())
    gw:stop()
    assert.is_nil(id())
  end)

  it("reload by command", function()
    local gw, values = start()
    values.mark = "two"
    local text = CONFIG:gsub("%$(%a+)", function(name) return values[name] or gw.ports[name] end)
    gateway.write(gw.path, text)
    assert.same({ 0, "" }, { gateway.run("reload", folder .. "/pid") })
    assert.truthy(http.ask_until(gw.ports.web, {}, function(response) return response.body == "two" end))
    assert.same({ 0, "" }, { gateway.run("reload", tostring(gw.pid)) })
    gateway.write(folder .. "/odd", "1\n")
    for path, expected in pairs { [folder .. "/odd"] = "expected a process id, got \"1\"", [folder .. "/none"] =
      "cannot read", ["999999999"] = "process 999999999: No such process" } do
      local code, said = gateway.run("reload", path)
      assert.equal(1, code)
      assert.truthy(said:find(expected, 1, true), said)
    end
  end)

  it("hand over to another binary, and nobody waits or fails", function()
    local gw = start()
    local done, asked = false, 0
    local kept = stream.connect(gw.ports.web)
    assert.equal("one", http.send(kept, {}).body)
    for i = 1, 4 do
      loop.spawn(function()
        while not done do
          assert.equal(200, http.ask(i == 1 and "unix:" .. folder .. "/web" or gw.ports.web, {}).status)
          asked = asked + 1
        end
      end)
    end
    assert.same({ 0, "" }, { gateway.run("upgrade", folder .. "/pid") })
    assert.truthy(gw:logged("another process has taken over", 60), gw:log())
    local fresh = id()
    assert.not_equal(gw.pid, fresh)
    assert.equal(0, process.wait(gw.process, 40))
    local before = asked
    assert(loop.poll(function() return asked > before + 20 or nil end))
    done = true
    loop.sleep(0.2)
    kept:close()
    assert.equal(200, http.get(gw.ports.admin, "/healthz/ready").status)
    assert.truthy(process.read("ls " .. folder):find("web", 1, true)) -- the path is the new one's
    stop(fresh)
    assert.falsy(process.read("ls " .. folder):find("web", 1, true))
    pcall(gw.stop, gw)
  end)

  it("end on SIGTERM, and with them another binary that is about to take over", function()
    local up = upstream.start(function()
      loop.sleep(2)
      return { body = "whole" }
    end)
    local gw = gateway.start { values = { folder = folder, up = up.address }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, process = { pid_file = "$folder/pid" },
      services = { up = { endpoints = { "$up" } } }, routes = { { backends = { { service = "up" } } } } }]] }
    local conn = stream.connect(gw.ports.web)
    conn:send "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.truthy(loop.poll(function() return #up.requests == 1 or nil end, 20))
    gw:signal(12)
    gw:signal(SIGTERM)
    assert.equal("whole", assert(http.read_response(conn, "GET")).body)
    conn:close()
    assert.equal(0, process.wait(gw.process, 40))
    assert.truthy(loop.poll(function() return not pcall(stream.connect, gw.ports.web) or nil end, 20))
    assert.is_nil(id())
    pcall(gw.stop, gw)
  end)

  it("go on when the other binary cannot", function()
    local gw = start()
    gateway.write(gw.path, "return { listeners = {} }")
    assert.same({ 0, "" }, { gateway.run("upgrade", folder .. "/pid") })
    assert.truthy(gw:logged("the upgrade ended with 1; the old binary serves on", 60), gw:log())
    assert.equal(gw.pid, id())
    for _ = 1, 10 do assert.equal(200, gw:ask {}.status) end
  end)

  it("get no new rights, and workers are refused what they never do", function()
    local gw = start()
    local children = gw:children()
    assert.equal("1", status_of(gw.pid, "NoNewPrivs"))
    for _, pid in ipairs(children) do assert.equal("1", status_of(pid, "NoNewPrivs")) end
    if gateway.binary:find("asan", 1, true) then return end -- such a build traces itself
    local confined = 0
    for _, pid in ipairs(children) do confined = confined + (status_of(pid, "Seccomp") == "2" and 1 or 0) end
    assert.equal(3, confined)
    assert.equal("0", status_of(gw.pid, "Seccomp"))
    gw:stop()
    gw = start ", seccomp = false"
    for _, pid in ipairs(gw:children()) do assert.equal("0", status_of(pid, "Seccomp")) end
  end)

  it("become the user that the config names", function()
    if not AS_ROOT then return pending "only root can become somebody else" end
    os.execute("chmod 777 " .. folder) -- the workers read the config as that user
    local port = net.free_port()
    local path = gateway.write(folder .. "/gateway.lua", ([[return {
      listeners = { web = { address = "127.0.0.1:%d" } },
      process = { user = "nobody", group = "daemon", pid_file = "%s/pid" },
      routes = { { policies = { "respond" } } } }]]):format(port, folder))
    local p = process.start({ gateway.binary, "run", path, "--workers", "2" }, folder .. "/log")
    assert.truthy(loop.poll(function() return process.file(folder .. "/log"):find "ready\n" end, 60))
    local user, group = process.read "id -u nobody", process.read "getent group daemon | cut -d: -f3"
    for _, pid in ipairs(process.tree(p)) do
      assert.equal(user, status_of(pid, "Uid") .. "\n")
      assert.equal(group, status_of(pid, "Gid") .. "\n")
    end
    assert.equal(200, http.ask(port, {}).status)
    assert.equal(p.pid, id())
    process.signal(p.pid, SIGTERM)
    assert.equal(0, process.wait(p, 40))
    assert.is_nil(id())
  end)

  it("do not start for a user that is none", function()
    local path = gateway.write(folder .. "/gateway.lua", ([[return {
      listeners = { web = { address = "127.0.0.1:%d" } }, process = { user = "no-such-user" },
      routes = { { policies = { "respond" } } } }]]):format(net.free_port()))
    local code, text = gateway.run("run", path, "--workers", "1")
    assert.equal(1, code)
    assert.truthy(text:find("user no-such-user: there is none of that name", 1, true), text)
  end)

  describe("under a service manager", function()
    local function mini(port)
      return gateway.write(folder .. "/gateway.lua", ([[return { listeners = { web = { address = "127.0.0.1:%d" } },
        routes = { { policies = { "respond" } } } }]]):format(port))
    end

    it("tell it how they are", function()
      local said, sock = "", assert(unix.dgram())
      assert(sock:bind(folder .. "/notify"))
      sock:settimeout(0)
      local path = mini(net.free_port())
      local p = process.start({ "env", "NOTIFY_SOCKET=" .. folder .. "/notify", "WATCHDOG_USEC=200000", gateway.binary,
        "run", path, "--workers", "1" }, folder .. "/log")
      local function hears(text)
        return loop.poll(function()
          said = said .. (sock:receive() or "")
          return said:find(text, 1, true)
        end, 30)
      end
      assert.truthy(hears(("READY=1\nMAINPID=%d\n"):format(p.pid)), said)
      assert.truthy(hears "WATCHDOG=1\n", said)
      process.signal(p.pid, 1)
      assert.truthy(hears "RELOADING=1\nMONOTONIC_USEC=", said)
      assert.truthy(loop.poll(function()
        said = said .. (sock:receive() or "")
        return select(2, said:gsub("READY=1", "")) == 2 or nil
      end, 30), said)
      process.signal(p.pid, SIGTERM)
      assert.truthy(hears "STOPPING=1\n", said)
      assert.equal(0, process.wait(p, 40))
      sock:close()
    end)

    it("take the sockets that it has opened", function()
      local port = net.free_port()
      local p = process.start({ "luajit", "spec/support/activate.lua", tostring(port), gateway.binary, "run",
        mini(port), "--workers", "2" }, folder .. "/log")
      assert.truthy(loop.poll(function() return (process.file(folder .. "/log") or ""):find "ready\n" end, 60))
      -- The one socket is all workers': a probe of the address alone would have found it taken.
      for _ = 1, 10 do assert.equal(200, http.ask(port, {}).status) end
      process.signal(p.pid, SIGTERM)
      assert.equal(0, process.wait(p, 40))
    end)
  end)
end)
