--- Unix sockets: as listeners, with what stands at their path, and as endpoints.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

describe("Unix sockets", function()
  local gw, up, folder, web

  local CONFIG = [[return {
    listeners = {
      web = { address = "unix:$folder/web", mode = "0660" },
      behind = { address = "unix:$folder/behind", trusted_hops = 1, limits = { connections_per_client = 1 } },
      port = { address = "127.0.0.1:$port" },
    },
    admin = { address = "unix:$folder/admin" },
    services = { up = { endpoints = { { address = "unix:$folder/up" } } },
      gone = { endpoints = { { address = "unix:$folder/nobody" } } } },
    policies = { { "access_log", path = "stdout",
      format = "ACCESS [%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%] %UPSTREAM_HOST%" } },
    routes = {
      { backends = { { service = "up" } } },
      { hosts = { "gone.test" }, backends = { { service = "gone" } } },
      { hosts = { "guarded.test" }, policies = { { "rbac", allow = { { ip_blocks = { "0.0.0.0/0" } } } },
        { "respond" } } },
      { hosts = { "near.test" }, policies = { { "rbac", allow = { { remote_ip_blocks = { "9.9.9.9" } } } },
        { "respond" } } },
    } }]]

  setup(function()
    folder = gateway.folder()
    web = "unix:" .. folder .. "/web"
    up = upstream.start(nil, folder .. "/up")
    gw = gateway.start { workers = 2, values = { folder = folder }, config = CONFIG }
  end)

  teardown(gateway.stop_all)

  local function mode(path) return process.read(("stat -c '%%a %%F' '%s' 2>&1"):format(path)):gsub("%s+$", "") end

  it("take requests, and are called", function()
    for _, address in ipairs { web, gw.ports.port } do
      local response = assert(http.ask(address, { host = "a.test" }))
      assert.same({ 200, "ok" }, { response.status, response.body })
    end
    assert.equal("660 socket", mode(folder .. "/web"))
    assert.truthy(gw:logged("ACCESS [-] unix:" .. folder .. "/up"), gw:log())
  end)

  it("serve the admin pages, and go when they are served elsewhere", function()
    assert.equal(200, http.ask("unix:" .. folder .. "/admin", { path = "/healthz/ready" }).status)
    local config = [[return { listeners = { web = { address = "127.0.0.1:$web" } },
      routes = { { policies = { "respond" } } }, admin = { address = "unix:$folder/%s" } }]]
    local other = gateway.start { values = { folder = folder }, config = config:format "own" }
    assert.equal("socket", mode(folder .. "/own"):match "%a+$")
    assert.truthy(other:reload(config:format "moved", { folder = folder }))
    assert.equal(200, http.ask_until("unix:" .. folder .. "/moved", { path = "/healthz/ready" },
      function(answer) return answer.status == 200 end, 20).status)
    assert.equal("", mode(folder .. "/own"):match "socket" or "")
    other:stop()
    assert.equal("", mode(folder .. "/moved"):match "socket" or "")
    local code, text = gateway.run("run", "--admin", "unix:here", gw.path)
    assert.same({ 2, true }, { code, text:find("--admin: expected a whole path", 1, true) ~= nil })
  end)

  it("say nothing of a client's address, and no rule takes it for one", function()
    assert(http.ask(web, { host = "a.test", headers = { ["X-Forwarded-For"] = "9.9.9.9" } }))
    assert.equal("9.9.9.9", up:last().headers["x-forwarded-for"])
    assert(http.ask(web, { host = "a.test" }))
    assert.is_nil(up:last().headers["x-forwarded-for"])
    assert.equal(403, http.ask(web, { host = "guarded.test" }).status)
    assert.equal(200, http.ask(gw.ports.port, { host = "guarded.test" }).status)
  end)

  it("believe the proxy that stands there", function()
    local behind = "unix:" .. folder .. "/behind"
    assert(http.ask(behind, { host = "a.test", headers = { ["X-Forwarded-For"] = "8.8.8.8, 9.9.9.9" } }))
    assert.equal("8.8.8.8, 9.9.9.9", up:last().headers["x-forwarded-for"])
    for from, status in pairs { ["8.8.8.8, 9.9.9.9"] = 200, ["9.9.9.9, 8.8.8.8"] = 403 } do
      assert.equal(status, http.ask(behind, { host = "near.test", headers = { ["X-Forwarded-For"] = from } }).status)
    end
  end)

  it("have clients that are not counted by address", function()
    local held = {}
    for i = 1, 5 do held[i] = stream.connect("unix:" .. folder .. "/behind") end
    for _, conn in ipairs(held) do
      assert.equal(200, assert(http.send(conn, { host = "a.test" })).status)
      conn:close()
    end
  end)

  it("answer 503 for an endpoint that nobody listens at", function()
    assert.equal(503, http.ask(web, { host = "gone.test" }).status)
  end)

  it("are refused while somebody serves there, and where a file stands", function()
    local one = [[return { listeners = { web = { address = "unix:%s" } }, routes = { { policies = { "respond" } } } }]]
    local path = gateway.write(folder .. "/second.lua", one:format(folder .. "/web"))
    local code, text = gateway.run("run", path, "--workers", "1")
    assert.equal(1, code)
    assert.matches("second.lua:1: listener web: cannot listen on unix:.*Address already in use", text)
    assert.equal(200, http.ask(web, { host = "a.test" }).status)
    gateway.write(folder .. "/file", "precious")
    code, text = gateway.run("run", gateway.write(path, one:format(folder .. "/file")), "--workers", "1")
    assert.equal(1, code)
    assert.matches("File exists", text)
    assert.equal("precious", process.file(folder .. "/file"))
  end)

  it("come and go with a reload, outlive a worker, and leave no path behind", function()
    local ok = gw:reload(CONFIG:gsub("/behind", "/other"), { folder = folder })
    assert.is_true(ok, gw:log())
    assert.equal(200, http.ask("unix:" .. folder .. "/other", { host = "a.test" }).status)
    assert.matches("No such file", mode(folder .. "/behind"))
    for _, pid in ipairs(gw:children()) do process.signal(pid, 9) end
    assert.equal(200, http.ask(web, { host = "a.test" }).status) -- it waits in the queue of the socket
    gw:stop { crash = true }
    assert.matches("No such file", mode(folder .. "/web"))
    assert.matches("No such file", mode(folder .. "/other"))
  end)

  it("take the place of what a killed gateway has left", function()
    local config = [[return { listeners = { web = { address = "unix:$folder/web" } },
      routes = { { policies = { "respond" } } } }]]
    local first = gateway.start { values = { folder = folder }, config = config }
    for _, pid in ipairs(process.tree(first.process)) do process.signal(pid, 9) end
    process.wait(first.process, 5)
    assert.matches("socket", mode(folder .. "/web"))
    pcall(first.stop, first)
    gateway.start { values = { folder = folder }, config = config }
    assert.equal(200, http.ask(web, { host = "a.test" }).status)
  end)
end)
