--- A policy that keeps ever more: its worker is replaced before that ends in errors, and the log says whose it was.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local LEAKY = [[
local leaky, kept = {}, {}
local id = require("moongate.random").uuid()
function leaky.request(_, ctx)
  local bytes = tonumber(ctx.req:param "keep")
  for i = 1, (bytes or 0) / 10000 do kept[#kept + 1] = id .. ctx.request_id .. i .. ("x"):rep(10000) end
  local mine = {}
  for i = 1, (tonumber(ctx.req:param "take") or 0) / 10000 do mine[i] = id .. i .. ("x"):rep(10000) end
  for i = 1, (tonumber(ctx.req:param "drop") or 0) / 10000 do mine[1] = id .. i .. ("x"):rep(10000) end
  ctx:read_body(10)
  return ctx:respond(200, id)
end
return leaky]]

local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
  budgets = { memory = "16MiB", cpu = "5s" },
  policies = { "metrics", { "access_log", path = "$file", format = "%REQ(:PATH)%" } },
  services = { up = { endpoints = { "$up" }, circuit_breaker = { max_requests = 1 } } },
  routes = { { hosts = { "up.test" }, backends = { { service = "up" } } },
    { policies = { { "headers", request = { set = { ["x-a"] = "1" } } }, "leaky" } } },
}]]

describe("a policy that keeps what it is given", function()
  local gw, file, up

  before_each(function()
    file = gateway.folder() .. "/access"
    up = upstream.start(function(request)
      if request.target == "/held" then loop.sleep(30) end
      return { body = "ok" }
    end)
    gw = gateway.start { files = { ["leaky.lua"] = LEAKY }, config = CONFIG, values = { file = file, up = up.address },
      args = { "--policy-path", "$folder" } }
  end)
  after_each(gateway.stop_all)

  -- Asks until `done`; all is answered.
  local function ask(path, done)
    local count = 0
    repeat
      local answer = assert(gw:ask { path = path })
      assert.equal(200, answer.status)
      count = count + 1
      loop.sleep(0.02)
    until done(answer) or count == 1000
    assert.is_true(count < 1000)
    return count
  end

  local function replaced() return gw:log():find("is replaced", 1, true) ~= nil end

  it("is told, its worker replaced, and no request is lost", function()
    local first = assert(gw:ask { path = "/?keep=13000000" }).body
    local slow = stream.connect(gw.ports.web)
    slow:send "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    local count = ask("/?keep=20000", replaced) + ask("/", function(answer) return answer.body ~= first end)
    slow:send "x"
    assert.equal(first, assert(http.read_response(slow, "POST")).body)
    slow:close()
    local line = assert(gw:logged("what policies kept of this worker's memory, the most first: ", 20))
    assert.truthy(line:find "^leaky 1[2-6]%.%d MiB, ")
    assert.is_true(gw:metric("moongate_requests_total", {}) >= count)
    assert.is_nil(gw:log():find("a policy raised", 1, true))
  end)

  it("is told, and the worker that ends opens its logs anew, too", function()
    local first = assert(gw:ask { path = "/?keep=13000000" }).body
    local slow = stream.connect(gw.ports.web)
    slow:send "POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n"
    ask("/?keep=20000", replaced)
    ask("/", function(answer) return answer.body ~= first end)
    local pid = gw:log():match "%(pid (%d+)%) is replaced"
    os.rename(file, file .. ".1")
    gw:signal(10)
    local function has_old() return process.read("ls -l /proc/" .. pid .. "/fd"):find(file .. ".1", 1, true) end
    assert.truthy(loop.poll(function() return not has_old() end, 20))
    slow:send "x"
    assert.equal(first, assert(http.read_response(slow, "POST")).body)
    slow:close()
    assert.truthy(loop.poll(function() return (process.file(file) or ""):find("/slow", 1, true) end, 20))
  end)

  it("is told, and what the worker had in use is free when that one is killed", function()
    local first = assert(gw:ask { path = "/?keep=13000000" }).body
    local held = stream.connect(gw.ports.web)
    held:send "GET /held HTTP/1.1\r\nHost: up.test\r\n\r\n"
    assert.truthy(loop.poll(function() return #up.requests == 1 or nil end, 20))
    ask("/?keep=20000", replaced)
    ask("/", function(answer) return answer.body ~= first end)
    assert.equal(503, assert(gw:ask { host = "up.test" }).status)
    process.signal(tonumber(gw:log():match "%(pid (%d+)%) is replaced"), 9)
    assert.truthy(loop.poll(function() return assert(gw:ask { host = "up.test" }).status == 200 or nil end, 20))
    held:close()
    gw:stop { crash = true }
  end)

  it("is not charged for garbage", function()
    assert.equal(200, assert(gw:ask { path = "/?drop=60000000" }).status)
  end)

  it("is ended when it takes too much at once, and nobody else", function()
    assert.equal(500, assert(gw:ask { path = "/?take=40000000" }).status)
    assert.truthy(gw:logged("not enough memory", 20))
    assert.equal(200, assert(gw:ask {}).status)
    assert.is_nil(gw:log():find("killed", 1, true))
  end)
end)
