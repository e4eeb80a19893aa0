--- Policy rate_limit with the real redis-server: two gateways of two workers count as one, also while it is killed,
-- comes back, and hangs.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local redis = require "spec.support.redis"
local stream = require "spec.support.stream"
local upstream = require "spec.support.upstream"

local CLIENTS = 16

local CONFIG = [[
  local function limited(path, settings)
    settings[1], settings.redis = "rate_limit", { address = "$redis", password = "secret", timeout = "$timeout" }
    return { match = { path = { prefix = path } }, policies = { settings, { "respond", body = "ok" } } }
  end
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    admin = { address = "127.0.0.1:$admin" },
    routes = {
      limited("/bucket", { name = "bucket", limit = 200, per = "10h" }),
      limited("/window", { name = "window", limit = 200, per = "10h", algorithm = "sliding_window" }),
      limited("/rate", { name = "rate", limit = 150, per = "1s" }),
      limited("/allow", { name = "allow", limit = 1, per = "10h", on_redis_error = "allow" }),
      limited("/deny", { name = "deny", limit = 1, per = "10h", on_redis_error = "deny" }),
      limited("/local", { name = "local", limit = 100, per = "10h" }),
    },
  }]]

describe("policy rate_limit with Redis", function()
  local server, one, other

  local function start()
    return gateway.start { workers = 2, values = { redis = server.address, timeout = "3s" }, config = CONFIG }
  end

  setup(function()
    server = redis.new { "--requirepass", "secret" }
    one, other = start(), start()
  end)
  teardown(function()
    gateway.stop_all()
    server:stop()
  end)

  -- Asks both gateways `count` times in all, side by side: how many passed, seconds that it took.
  local function flood(path, count, meanwhile)
    local clients, found, began = {}, 0, loop.now()
    for i = 1, CLIENTS do
      clients[i] = function()
        local conn = stream.connect((i % 2 == 0 and one or other).ports.web)
        for _ = 1, count / CLIENTS do
          local response = assert(http.send(conn, { path = path }))
          if response.status == 200 then found = found + 1 end
        end
        conn:close()
        return true
      end
    end
    if meanwhile then clients[#clients + 1] = meanwhile end
    loop.all(unpack(clients))
    return found, loop.now() - began
  end

  local function failures()
    local name = "moongate_rate_limit_redis_errors_total"
    return one:metric(name) + other:metric(name)
  end

  local function status(path) return assert(one:ask { path = path }).status end

  it("lets exactly as many pass as it should, over all gateways", function()
    assert.equal(200, (flood("/bucket", 480)))
    assert.equal(200, (flood("/window", 480)))
    local response = assert(one:ask { path = "/window" })
    assert.equal(429, response.status)
    assert.matches('^"window";r=0;t=3[56]%d%d%d$', response.headers.ratelimit)
    local allowed, seconds = flood("/rate", 1600)
    local most = 150 + 150 * seconds
    assert.is_true(allowed <= most * 1.01 + 1, ("%d of at most %g"):format(allowed, most))
    if 1600 / seconds > 300 then -- unless clients were slower, or paused for longer than the bucket lasts
      assert.is_true(allowed >= (most - 150) * 0.99, ("%d of at least %g"):format(allowed, most - 150))
    end
    assert.equal(0, failures())
  end)

  it("needs one round trip once the script is known", function()
    local function calls(command)
      local said = process.read(("redis-cli -p %d --no-auth-warning -a secret info commandstats"):format(server.port))
      return tonumber(said:match("cmdstat_" .. command .. ":calls=(%d+)") or 0)
    end
    local sha, eval, auth = calls "evalsha", calls "eval", calls "auth"
    flood("/bucket", 160)
    assert.same({ 160, 0 }, { calls "evalsha" - sha, calls "eval" - eval })
    assert.is_true(calls "auth" - auth <= 3 + 8) -- connections are kept
    process.read(("redis-cli -p %d --no-auth-warning -a secret script flush"):format(server.port))
    assert.equal(429, status "/bucket")
    assert.equal(eval + 1, calls "eval")
  end)

  it("does what it should while Redis is gone, and counts again when it is back", function()
    assert.same({ 200, 429, 200, 429 }, { status "/allow", status "/allow", status "/deny", status "/deny" })
    local allowed = flood("/local", 480, function()
      loop.sleep(0.05)
      server:kill()
      return true
    end)
    -- Redis lets 100 pass, and so does each gateway once it is gone.
    assert.is_true(allowed >= 100 and allowed <= 300, tostring(allowed))
    assert.same({ 200, 200, 503, 503 }, { status "/allow", status "/allow", status "/deny", status "/deny" })
    assert.is_nil(assert(one:ask { path = "/allow" }).headers.ratelimit)
    assert.is_true(one:metric("moongate_rate_limit_redis_errors_total", { name = "deny" }) >= 2)
    assert.truthy(one:log():find("Redis does not count", 1, true))
    server:start()
    loop.sleep(2.1) -- the longest time for which a worker asks nobody, and a flood may pass a worker by
    assert.truthy(loop.poll(function() -- until all workers ask it again
      local before = failures()
      flood("/deny", 160)
      return failures() == before or nil
    end, 60))
    assert.equal(429, status "/deny")
    assert.equal(200, (flood("/bucket", 480))) -- it has forgotten what it knew
    assert.equal(100, (flood("/local", 480)))
    assert.is_string(one:logged "Redis counts again")
  end)

  it("leaves a connection that has gone silent, and one that talks nonsense", function()
    local peer = upstream.start()
    local gw = gateway.start { values = { peer = peer.address }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { { policies = { { "rate_limit", limit = 1, per = "1h", on_redis_error = "deny",
          redis = { address = "$peer", timeout = "500ms" } }, { "respond", body = "ok" } } } },
      }]] }
    local says, asked = nil, 0 -- each time it has been asked; nil: nothing
    peer.raw = function(conn)
      while conn:read_until("EVALSHA\r\n", 30) do
        asked = asked + 1
        if says then conn:send(says) end
      end
    end
    for _ = 1, 20 do assert.equal(503, assert(gw:ask {}).status) end
    assert.is_true(asked > 0 and asked < 20, asked .. " have waited for nothing") -- most know already
    for _, nonsense in ipairs { "HTTP/1.1 400 Bad Request\r\n", "$9999999999\r\n", ("*1\r\n"):rep(100), "+OK\r\n",
      "*4\r\n:1\r\n+x\r\n:0\r\n:1\r\n", "-ERR no\r\n", "-LOADING Redis is loading the dataset in memory\r\n",
      "-NOSCRIPT No matching script\r\n-READONLY You can't write against a read only replica.\r\n",
      "*4\r\n:0\r\n$-1\r\n$1\r\n1\r\n:1\r\n", "*4\r\n:0\r\n" } do
      says = nonsense
      assert.equal(503, assert(gw:ask {}).status)
    end
    says = "*4\r\n:1\r\n:7\r\n:0\r\n:2500000\r\n"
    local response = http.ask_until(gw.ports.web, {}, function(r) return r.status == 200 end, 15)
    assert.equal('"default";r=7;t=3', response.headers.ratelimit)
    gw:stop()
  end)

  it("asks by TLS, and nobody whose certificate is not the right one", function()
    local folder = certs.make(gateway.folder())
    local secret = redis.new { "--port", "0", "--tls-port", "$port", "--tls-auth-clients", "no",
      "--tls-cert-file", folder .. "/a.test.crt", "--tls-key-file", folder .. "/a.test.key",
      "--tls-ca-cert-file", folder .. "/ca.crt" }
    local gw = gateway.start { values = { redis = secret.address, folder = folder }, config = [[
      local function limited(host, tls)
        return { hosts = { host }, policies = { { "rate_limit", limit = 1, per = "1h", on_redis_error = "deny",
          name = host, redis = { address = "$redis", timeout = "3s", tls = tls } }, { "respond", body = "ok" } } }
      end
      return { listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { limited("well.test", { ca = "$folder/ca.crt", name = "a.test" }),
          limited("name.test", { ca = "$folder/ca.crt", name = "b.test" }),
          limited("ca.test", { ca = "$folder/other.crt", name = "a.test" }) } }]] }
    local function asked(host) return assert(gw:ask { host = host }).status end
    assert.same({ 200, 429 }, { asked "well.test", asked "well.test" })
    assert.same({ 503, 503 }, { asked "name.test", asked "ca.test" })
    gw:stop()
    secret:stop()
  end)

  it("waits no longer than it should for a server that hangs", function()
    server:pause()
    assert.equal(503, status "/deny")
    server:go_on()
    assert.truthy(http.ask_until(one.ports.web, { path = "/deny" }, function(r) return r.status == 429 end, 15))
  end)
end)
