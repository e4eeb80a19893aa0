require "spec.support.init"
local abi = require "spec.support.fake_abi"
local fake = require "spec.support.fake_ctx"
local rate_limit = require "policies.rate_limit"

describe("policy rate_limit", function()
  before_each(function()
    abi.reset()
    abi.monotonic_ns = 5e9
  end)

  local function ask(conf, given)
    local ctx = fake.new(given)
    local answer = rate_limit.request(conf, ctx)
    if answer then ctx.res = answer end
    rate_limit.response(conf, ctx)
    return answer, ctx
  end

  it("answers 429, and says what is left and when there is more", function()
    local conf = fake.conf(rate_limit, { limit = 2, per = "10s", name = "api", legacy_headers = true })
    local answer, ctx = ask(conf)
    assert.is_nil(answer)
    assert.same({ '"api";q=2;w=10', '"api";r=1;t=5', "2", "1", "5" }, { ctx.res.headers["ratelimit-policy"],
      ctx.res.headers.ratelimit, ctx.res.headers["x-ratelimit-limit"], ctx.res.headers["x-ratelimit-remaining"],
      ctx.res.headers["x-ratelimit-reset"] })
    assert.is_nil((ask(conf)))
    answer, ctx = ask(conf)
    assert.same({ 429, "Too Many Requests", "5", '"api";r=0;t=10', "RL", "request_rate_limited" }, { answer.status,
      answer.body, answer.headers["retry-after"], answer.headers.ratelimit, ctx:flags_text(), ctx.details })
    abi.monotonic_ns = 10e9
    assert.is_nil((ask(conf)))
    assert.equal(429, (ask(conf)).status)
    assert.same({ 3, 2 }, { (abi.value("moongate_rate_limit_requests_total", "api", "allowed")),
      (abi.value("moongate_rate_limit_requests_total", "api", "limited")) })
  end)

  it("tells nothing when it should not, and adds to what others tell", function()
    local conf = fake.conf(rate_limit, { limit = 2, per = 0.5, headers = false })
    local _, ctx = ask(conf, { response_headers = { ratelimit = '"a";r=1' } })
    assert.same({ '"a";r=1' }, ctx.res.headers:get_all "ratelimit")
    conf = fake.conf(rate_limit, { limit = 2, per = 0.5 })
    _, ctx = ask(conf, { response_headers = { ratelimit = '"a";r=1' } })
    assert.equal(2, #ctx.res.headers:get_all "ratelimit")
    assert.equal('"default";q=2', ctx.res.headers["ratelimit-policy"])
  end)

  it("counts by what the key says", function()
    local function limited(key, first, second)
      abi.reset()
      local conf = fake.conf(rate_limit, { limit = 1, per = "1h", key = { key } })
      assert.is_nil((ask(conf, first)), key)
      assert.is_nil((ask(conf, second)), key)
      assert.equal(429, (ask(conf, first)).status, key)
      assert.equal(429, (ask(conf, second)).status, key)
    end
    limited("client_address", {}, { client_address = "::1" })
    limited("header:X-Tenant", { headers = { ["x-tenant"] = "a" } }, { headers = { ["x-tenant"] = { "a", "b" } } })
    limited("header:x", { headers = { x = ("a"):rep(9000) } }, { headers = { x = ("a"):rep(8999) .. "b" } })
    limited("cookie:sid", { headers = { cookie = "sid=1" } }, { headers = { cookie = "sid=2" } })
    limited("param:t", { query = "t=1" }, {})
    limited("principal", { peer = { principal = "spiffe://a" } }, { peer = { principal = "spiffe://b" } })
    limited("consumer", { shared = { api_key = { consumer = "ada" } } }, { shared = { } })
    limited("claim:org.id", { shared = { jwt = { claims = { org = { id = 7 } } } } },
      { shared = { jwt = { claims = { org = { id = "8" } } } } })
    limited("claim:id", { shared = { jwt = { claims = { id = 1700000000000001 } } } },
      { shared = { jwt = { claims = { id = 1700000000000002 } } } })
    limited("route", { route = { name = "a" } }, { route = { name = "b" } })
    limited("host", { authority = "a.test" }, { authority = "b.test" })
    limited("method", { method = "GET" }, { method = "PUT" })
    limited("listener", { listener = { name = "a" } }, { listener = { name = "b" } })
    local all = fake.conf(rate_limit, { limit = 2, per = "1h", key = { "constant:all" } })
    for i = 1, 3 do assert.equal(i == 3, (ask(all, { client_address = tostring(i) })) ~= nil) end
  end)

  it("counts by combinations, of which no two look alike", function()
    local conf = fake.conf(rate_limit, { limit = 1, per = "1h", key = { "header:a", "header:b" } })
    for _, pair in ipairs { { "1:x", "y" }, { "1", "x" }, { "", "1x" }, { "1x", "" }, { "1:x1", ":y" } } do
      assert.is_nil((ask(conf, { headers = { a = pair[1], b = pair[2] } })))
    end
    assert.equal(429, (ask(conf, { headers = { a = "1x" } })).status) -- nobody escapes by leaving one out
  end)

  it("keeps counts of other settings apart, and shares those of the same", function()
    local one = fake.conf(rate_limit, { limit = 1, per = "1h" })
    assert.is_nil((ask(one)))
    assert.equal(429, (ask(fake.conf(rate_limit, { limit = 1, per = "1h" }))).status)
    for _, other in ipairs { { limit = 2, per = "1h" }, { limit = 1, per = "2h" },
      { limit = 1, per = "1h", name = "b" },
      { limit = 1, per = "1h", algorithm = "sliding_window" },
      { limit = 1, per = "1h", burst = 2 } } do
      assert.is_nil((ask(fake.conf(rate_limit, other))))
    end
  end)

  it("loses no count when another worker counts between its look and its store", function()
    local conf = fake.conf(rate_limit, { limit = 2, per = "1h" })
    local C = package.loaded["moongate.abi"].C
    local get, meanwhile = C.mg_shared_get, true
    C.mg_shared_get = function(...)
      local rc = get(...)
      if meanwhile then
        meanwhile = false
        assert.is_nil((ask(conf)))
      end
      return rc
    end
    assert.is_nil((ask(conf)))
    C.mg_shared_get = get
    assert.is_false(meanwhile)
    assert.equal(429, (ask(conf)).status)
  end)

  it("refuses settings that make no sense", function()
    local function wrong(settings)
      settings.limit, settings.per = settings.limit or 1, settings.per or "1s"
      return (fake.mistakes(rate_limit, settings))[1]
    end
    assert.matches("^limit: ", wrong { limit = 0 })
    assert.matches("^limit: ", wrong { limit = 1.5 })
    assert.matches("^per: ", wrong { per = 0 })
    assert.matches("^burst: only a token_bucket", wrong { burst = 1, algorithm = "sliding_window" })
    assert.matches("^key.2: expected one of client_address", wrong { key = { "route", "client" } })
    assert.matches("^key.1: expected one of", wrong { key = { "header:" } })
    assert.matches("^key.1: .*is no header name", wrong { key = { "header:a b" } })
    assert.matches("^key: ", wrong { key = {} })
    assert.matches("^name: ", wrong { name = 'a"b' })
  end)
end)
