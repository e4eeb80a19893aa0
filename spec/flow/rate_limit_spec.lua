--- Policy rate_limit in a running gateway of two workers: exact counts and rates, and hostile keys.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"

local CLIENTS = 16

-- Asks `count` times in all, from many connections side by side: how many had this status, seconds that it took.
local function flood(port, request, count, status)
  local clients, found, began = {}, 0, loop.now()
  for i = 1, CLIENTS do
    clients[i] = function()
      local conn = stream.connect(port)
      for _ = 1, count / CLIENTS do
        local response = assert(http.send(conn, request))
        if response.status == status then found = found + 1 end
      end
      conn:close()
      return true
    end
  end
  loop.all(unpack(clients))
  return found, loop.now() - began
end

describe("policy rate_limit with two workers", function()
  local gw

  setup(function()
    gw = gateway.start { workers = 2, config = [[
      local function limited(path, settings)
        settings[1] = "rate_limit"
        return { match = { path = { prefix = path } }, policies = { settings, { "respond", body = "ok" } } }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        routes = {
          limited("/bucket", { name = "bucket", limit = 300, per = "10h" }),
          limited("/window", { name = "window", limit = 300, per = "10h", algorithm = "sliding_window" }),
          limited("/rate", { name = "rate", limit = 200, per = "1s" }),
          limited("/slide", { name = "slide", limit = 100, per = "500ms", algorithm = "sliding_window" }),
          limited("/keys", { name = "keys", limit = 2, per = "1h", key = { "header:x-key" }, legacy_headers = true }),
        },
      }]] }
  end)
  teardown(gateway.stop_all)

  it("lets exactly as many pass as it should", function()
    assert.equal(300, (flood(gw.ports.web, { path = "/bucket" }, 800, 200)))
    assert.equal(300, (flood(gw.ports.web, { path = "/window" }, 800, 200)))
    assert.equal(300, gw:counts("moongate_rate_limit_requests_total", { name = "bucket", outcome = "allowed" }, 300))
    assert.equal(500, gw:counts("moongate_rate_limit_requests_total", { name = "window", outcome = "limited" }, 500))
  end)

  -- The clients may be too slow to use all that is allowed, or pause; the lower bound leaves room for that.
  it("keeps the rate within 1 percent", function()
    for path, limit in pairs { ["/rate"] = { 200, 200 }, ["/slide"] = { 100, 200 } } do
      local allowed, seconds = flood(gw.ports.web, { path = path }, 4000, 200)
      local most = limit[1] + limit[2] * seconds
      assert.is_true(allowed <= most * 1.01 + 1, ("%s: %d of at most %g"):format(path, allowed, most))
      if 4000 / seconds > 2 * limit[2] then
        local least = limit[2] * seconds - limit[1]
        assert.is_true(allowed >= least * 0.99 - 1, ("%s: %d of at least %g"):format(path, allowed, least))
      end
    end
  end)

  it("tells clients, and takes any key", function()
    local response = assert(gw:ask { path = "/keys", headers = { ["x-key"] = "a" } })
    assert.same({ 200, '"keys";r=1;t=1800', '"keys";q=2;w=3600', "2", "1", "1800" }, { response.status,
      response.headers.ratelimit, response.headers["ratelimit-policy"], response.headers["x-ratelimit-limit"],
      response.headers["x-ratelimit-remaining"], response.headers["x-ratelimit-reset"] })
    for i, key in ipairs { ("k"):rep(30000), "\255\254", 'q"\\', "2:a", "" } do
      local request = { path = "/keys", headers = { ["x-key"] = key } }
      for turn, status in ipairs { 200, 200, 429 } do
        assert.equal(status, assert(gw:ask(request)).status, i .. "." .. turn)
      end
    end
    response = assert(gw:ask { path = "/keys" }) -- none counts as an empty one
    assert.equal(429, response.status)
    assert.is_true(tonumber(response.headers["retry-after"]) <= 1800)
    assert.is_true(tonumber(response.headers["retry-after"]) > 1700)
  end)
end)
