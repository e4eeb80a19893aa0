--- Names that cannot be looked up for a while. Mostly it waits: names in use are asked for again every 30 seconds.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local PERIOD = 30 -- MG_RESOLVER_PERIOD_MS of core/net/resolver.h
local WITH, WITHOUT = "127.0.0.1 localhost back.invalid\n", "127.0.0.1 localhost\n"

local FIRST = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    services = { up = { endpoints = { "back.invalid:$port" } } },
    routes = { { backends = { { service = "up" } } } },
  }]]
-- The same name at another port is another look-up.
local MORE = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    services = { up = { endpoints = { "back.invalid:$port" } }, more = { endpoints = { "back.invalid:$more" } } },
    routes = { { backends = { { service = "up" } } },
      { match = { path = { prefix = "/more" } }, backends = { { service = "more" } } } },
  }]]

describe("a name", function()
  local gw, up, more

  -- A gateway with a file of hosts of its own; false where that cannot be.
  local function start(hosts)
    if process.read("unshare -m true 2>&1"):find "%S" then return false end
    up = upstream.start(function() return { body = "found" } end)
    more = upstream.start(function() return { body = "more" } end)
    gw = gateway.start { files = { hosts = hosts }, values = { port = up.port, more = more.port }, config = FIRST,
      shell = 'exec unshare -m sh -c \'mount --bind "$0/hosts" /etc/hosts && exec "$@"\' "$0" "$@"' }
    return true
  end

  local function names_are(text) gateway.write(gw.folder .. "/hosts", text) end

  local function comes(path, body)
    local response = http.ask_until(gw.ports.web, { path = path }, function(answer) return answer.status == 200 end, 20)
    assert.equal(body, assert(response, "no answer of 200").body)
  end

  after_each(gateway.stop_all)

  it("that comes back is served as soon as it does", function()
    if not start(WITHOUT) then return pending "needs a mount namespace of its own" end
    assert.equal(503, assert(gw:ask {}).status)
    names_are(WITH)
    comes("/", "found")
  end)

  it("that goes is served at the addresses it had, and a new use of it once it is back", function()
    if not start(WITH) then return pending "needs a mount namespace of its own" end
    comes("/", "found")
    names_are(WITHOUT)
    local gone = loop.now()
    assert.truthy(gw:reload(MORE, { port = up.port, more = more.port }))
    assert.truthy(loop.poll(function() return gw:ask({ path = "/more" }).status == 503 or nil end, 10))
    while loop.now() < gone + PERIOD + 3 do
      assert.equal("found", assert(gw:ask {}).body)
      loop.sleep(0.5)
    end
    assert.equal(503, assert(gw:ask { path = "/more" }).status)
    for _, conn in ipairs(up.open) do conn:close() end -- no kept connection serves
    assert.equal("found", assert(gw:ask {}).body)
    names_are(WITH)
    comes("/more", "more")
    assert.equal("found", assert(gw:ask {}).body)
  end)
end)
