local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

describe("balance", function()
  local gw, ups, values

  setup(function()
    ups, values = {}, {}
    for _, name in ipairs { "a", "b", "c" } do
      ups[name] = upstream.start(function(request)
        request:read()
        if request.target == "/wait" then loop.sleep(0.3) end
        return { body = name }
      end)
      values[name] = ups[name].address
    end
    gw = gateway.start { values = values, config = [[
      local function service(balance)
        return { balance = balance, endpoints = { { address = "$a", labels = { v = "1" } },
          { address = "$b", labels = { v = "2" } }, { address = "$c", labels = { v = "2" } } },
          subsets = { one = { v = "1" }, two = { v = "2" } } }
      end
      local weighted = service "round_robin"
      weighted.endpoints[1].weight, weighted.endpoints[2].weight, weighted.endpoints[3].weight = 3, 1, 0
      local function route(host, backends) return { hosts = { host }, backends = backends } end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        services = { turn = service "round_robin", least = service "least_request", random = service "random",
          header = service { kind = "consistent_hash", header = "x-user" },
          cookie = service { kind = "consistent_hash", cookie = "user" },
          source = service { kind = "consistent_hash", source_address = true }, weighted = weighted,
          query = service { kind = "consistent_hash", query = "id", algorithm = "maglev", table_size = 251 },
          sticky = service { kind = "consistent_hash", cookie = "seat", cookie_ttl = "1h", cookie_path = "/shop",
            cookie_attributes = { "SameSite=Lax" }, ring_size = 1024 } },
        routes = {
          route("turn.test", { { service = "turn" } }), route("least.test", { { service = "least" } }),
          route("random.test", { { service = "random" } }), route("header.test", { { service = "header" } }),
          route("cookie.test", { { service = "cookie" } }), route("source.test", { { service = "source" } }),
          route("weighted.test", { { service = "weighted" } }), route("query.test", { { service = "query" } }),
          route("sticky.test", { { service = "sticky" } }),
          route("split.test", { { service = "turn", subset = "one", weight = 90 },
            { service = "turn", subset = "two", weight = 10 } }),
          route("never.test", { { service = "turn", subset = "one", weight = 1 },
            { service = "turn", subset = "two", weight = 0 } }),
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- How often each endpoint answered, of `n` requests.
  local function share(n, request)
    local count = { a = 0, b = 0, c = 0 }
    for _ = 1, n do
      local response = assert(gw:ask(request))
      count[response.body] = count[response.body] + 1
    end
    return count
  end

  it("goes round", function()
    assert.same({ a = 10, b = 10, c = 10 }, share(30, { host = "turn.test" }))
  end)

  it("goes round by weight, and leaves weight 0 out", function()
    assert.same({ a = 30, b = 10, c = 0 }, share(40, { host = "weighted.test" }))
  end)

  it("draws at random from all", function()
    local count = share(90, { host = "random.test" })
    for _, name in ipairs { "a", "b", "c" } do assert.is_true(count[name] > 3) end -- 1 run in 10^9 misses that
  end)

  it("prefers endpoints with fewer requests in progress", function()
    ups.a.answer = function(request)
      request:read()
      loop.sleep(0.3)
      return { body = "a" }
    end
    finally(function()
      ups.a.answer = function(request)
        request:read()
        return { body = "a" }
      end
    end)
    local asks = {}
    for i = 1, 60 do
      asks[i] = function()
        loop.sleep(i * 0.004)
        return assert(gw:ask { host = "least.test" }).body
      end
    end
    local count = { a = 0, b = 0, c = 0 }
    for _, name in ipairs(loop.all(unpack(asks))) do count[name] = count[name] + 1 end
    assert.is_true(count.a < count.b and count.a < count.c)
  end)

  it("keeps a key at its endpoint: header, cookie, source", function()
    for i = 1, 12 do
      local by_header = share(3, { host = "header.test", headers = { ["X-User"] = "u" .. i } })
      local by_cookie = share(3, { host = "cookie.test", headers = { Cookie = "x=y; user=u" .. i } })
      for _, count in ipairs { by_header, by_cookie } do
        assert.is_true(count.a == 3 or count.b == 3 or count.c == 3)
      end
    end
    local count = share(6, { host = "source.test" })
    assert.is_true(count.a == 6 or count.b == 6 or count.c == 6)
  end)

  it("keeps a query parameter's value at its endpoint", function()
    local reached = {}
    for i = 1, 40 do
      local count = share(2, { host = "query.test", path = "/?x=1&id=" .. i })
      for name, n in pairs(count) do
        assert.is_true(n == 0 or n == 2)
        reached[name] = reached[name] or n > 0
      end
    end
    assert.same({ a = true, b = true, c = true }, reached)
  end)

  it("gives a client without the cookie one that leads back", function()
    local reached = {}
    for _ = 1, 30 do
      local response = assert(gw:ask { host = "sticky.test" })
      local value = response.headers["set-cookie"]:match(
        "^seat=(%x+); Max%-Age=3600; Path=/shop; SameSite=Lax; HttpOnly$")
      assert.equal(16, #value)
      reached[response.body] = true
      local again = assert(gw:ask { host = "sticky.test", headers = { Cookie = "seat=" .. value } })
      assert.equal(response.body, again.body)
      assert.is_nil(again.headers["set-cookie"])
    end
    assert.same({ a = true, b = true, c = true }, reached)
  end)

  it("spreads keys over all endpoints", function()
    local reached = {}
    for i = 1, 60 do
      reached[assert(gw:ask { host = "header.test", headers = { ["X-User"] = "k" .. i } }).body] = true
    end
    assert.same({ a = true, b = true, c = true }, reached)
  end)

  it("splits requests among backends by weight", function()
    local count = share(400, { host = "split.test" })
    -- 40 are expected; six standard deviations of a fair draw are 36.
    assert.is_true(count.b + count.c >= 4 and count.b + count.c <= 76, count.b + count.c .. " of 400")
    assert.same({ a = 20, b = 0, c = 0 }, share(20, { host = "never.test" }))
  end)

  it("reuses connections upstream", function()
    assert.is_true(ups.a.connections < #ups.a.requests / 2)
    assert.same({}, ups.a.errors)
  end)
end)
