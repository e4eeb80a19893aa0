require "spec.support.init"
local abi = require "spec.support.fake_abi"
local context = require "policies.traceparent.context"
local fake = require "spec.support.fake_ctx"
local json = require "moongate.json"
local otlp = require "moongate.otlp"
local traceparent = require "policies.traceparent"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local GOOD = ("00-%s-%s-01"):format(TRACE, SPAN)

describe("policy traceparent's context", function()
  it("reads what is valid", function()
    assert.same({ TRACE, SPAN, true, false }, { context.parse(GOOD) })
    assert.same({ TRACE, SPAN, false, false }, { context.parse(("00-%s-%s-00"):format(TRACE, SPAN)) })
    assert.same({ TRACE, SPAN, true, true }, { context.parse(("00-%s-%s-ff"):format(TRACE, SPAN)) })
    assert.same({ TRACE, SPAN, false, false }, { context.parse(("00-%s-%s-fc"):format(TRACE, SPAN)) })
    assert.same({ TRACE, SPAN, false, true }, { context.parse(("cc-%s-%s-02"):format(TRACE, SPAN)) })
    assert.same({ TRACE, SPAN, true, false }, { context.parse(("cc-%s-%s-01-what-the-future"):format(TRACE, SPAN)) })
  end)

  it("reads nothing else", function()
    for _, text in ipairs { "", "00", GOOD:sub(1, -2), GOOD .. "-", GOOD .. "-00", GOOD .. " ", " " .. GOOD,
      GOOD:upper(), GOOD:gsub("4b", "4B"), GOOD:gsub("^00", "ff"), GOOD:gsub("^00", "0"), GOOD:gsub("^00", "xx"),
      GOOD:gsub("%-", "_"), ("00-%s-%s-01"):format(("0"):rep(32), SPAN), ("00-%s-%s-01"):format(TRACE, ("0"):rep(16)),
      ("00-%s-%s-0g"):format(TRACE, SPAN), ("cc-%s-%s-01x"):format(TRACE, SPAN), ("00-%s-%s-1"):format(TRACE, SPAN),
      ("00-%s0-%s-01"):format(TRACE, SPAN), "00-" .. TRACE .. SPAN .. "-01", (GOOD:gsub("f", "\255")) } do
      assert.is_nil(context.parse(text), text)
    end
  end)

  it("tells a valid tracestate from one that is not", function()
    local member = "k%d=v"
    local function many(count)
      local list = {}
      for i = 1, count do list[i] = member:format(i) end
      return list
    end
    for _, good in ipairs { { "a=1" }, { "rojo=00f067aa" }, { "t61rcwkgmze@vendor=x!y" }, { "0a@b=1" }, { "1a=1" },
      { "a*_-/9=1" }, { "a= b c" }, { "a=1,a=2" }, { "a@=1" }, { "a@1=1" }, { "a@b@c=1" }, { "a@@b=1" }, many(32),
      { ("a"):rep(256) .. "=" .. ("v"):rep(256) }, { ("a"):rep(242) .. "@b=1" },
      { "a@" .. ("b"):rep(15) .. "=1" } } do
      assert.equal(table.concat(good, ","), context.state(good))
    end
    assert.equal("a=1,b=2,c=3", context.state { "a=1\t, b=2 ,,\tc=3" })
    assert.equal("foo=1,bar=2,baz=3", context.state { "", "foo=1,bar=2", " \t", "baz=3," })
    for _, bad in ipairs { {}, { "" }, { " , ,", "" }, { "a" }, { "=1" }, { "a=" }, { "A=1" }, { "a=1=2" },
      { "a b=1" }, { "a=\255" }, { "@a=1" }, { "a.b=1" }, many(33), { "a =1" }, { ("a"):rep(257) .. "=1" },
      { "a=" .. ("v"):rep(257) }, { "a=1", "b=" } } do
      assert.is_nil(context.state(bad), table.concat(bad, ","))
    end
  end)
end)

describe("policy traceparent", function()
  local spans, exporter = {}, otlp.exporter

  setup(function()
    otlp.exporter = function() return { add = function(_, text) spans[#spans + 1] = assert(json.decode(text)) end } end
  end)
  teardown(function() otlp.exporter = exporter end)
  before_each(function()
    abi.reset()
    spans = {}
  end)

  local function begin(settings, headers, more)
    more = more or {}
    more.headers = headers
    local ctx = fake.new(more)
    local conf = fake.conf(traceparent, settings)
    traceparent.request(conf, ctx)
    return ctx, conf
  end

  local function attributes(span)
    local map = {}
    for _, one in ipairs(span.attributes) do map[one.key] = one.value.stringValue or one.value.intValue end
    return map
  end

  it("goes on with a trace, with a span of its own", function()
    local ctx = begin({}, { traceparent = GOOD, tracestate = { "a=1", "b=2" } })
    local trace, id, sampled = context.parse(ctx.req.headers.traceparent)
    assert.same({ TRACE, true }, { trace, sampled })
    assert.are_not.equal(SPAN, id)
    assert.same({ "a=1,b=2" }, ctx.req.headers:get_all "tracestate")
    assert.same({ trace_id = TRACE, span_id = id, sampled = true }, ctx.shared.trace)
    ctx = begin({ ratio = 1, url = "http://c" }, { traceparent = GOOD:gsub("01$", "00") })
    assert.is_false(select(3, context.parse(ctx.req.headers.traceparent)))
    assert.is_nil(ctx.own.span)
  end)

  it("begins one in place of what is invalid, doubled or not to be believed", function()
    local edge = { incoming = "restart" }
    for _, case in ipairs { { {}, nil }, { {}, GOOD .. "0" }, { {}, { GOOD, GOOD } }, { edge, GOOD } } do
      local ctx = begin(case[1], { traceparent = case[2], tracestate = "a=1" })
      local trace, _, sampled = context.parse(ctx.req.headers.traceparent)
      assert.are_not.equal(TRACE, trace)
      assert.is_true(sampled)
      assert.equal(1, #ctx.req.headers:get_all "traceparent")
      assert.is_nil(ctx.req.headers.tracestate)
    end
    for _, state in ipairs { "a=1,b", "" } do
      local ctx = begin({}, { traceparent = GOOD, tracestate = state })
      assert.equal(TRACE, (context.parse(ctx.req.headers.traceparent)))
      assert.is_nil(ctx.req.headers.tracestate)
    end
  end)

  it("passes on that a trace's id is random, and no other flag", function()
    for given, passed in pairs { ["00"] = "00", ["02"] = "02", ["03"] = "03", ff = "03", fc = "00" } do
      local ctx, conf = begin({ url = "http://c" }, { traceparent = GOOD:gsub("01$", given) }, { backend = {} })
      assert.equal(passed, ctx.req.headers.traceparent:sub(-2))
      traceparent.try(conf, ctx)
      assert.equal(passed, ctx.req.headers.traceparent:sub(-2))
    end
  end)

  it("samples the share that it should", function()
    local conf = fake.conf(traceparent, { ratio = 0.3 })
    local random = require "moongate.random"
    local real = random.bytes
    random.bytes = function(count)
      local bytes = {}
      for i = 1, count do bytes[i] = string.char(math.random(0, 255)) end
      return table.concat(bytes)
    end
    local sampled = 0
    for _ = 1, 3000 do
      local ctx = fake.new {}
      traceparent.request(conf, ctx)
      sampled = sampled + (ctx.shared.trace.sampled and 1 or 0)
    end
    random.bytes = real
    assert.is_true(sampled > 780 and sampled < 1020, tostring(sampled)) -- beyond 4 sigma
    assert.is_false(begin({ ratio = 0 }).shared.trace.sampled)
  end)

  it("makes a span of the request and one of each try", function()
    local ctx, conf = begin({ url = "http://c" }, { traceparent = GOOD, tracestate = { "a=\"1\\", "b=2" },
      ["user-agent"] = "curl/8\255\"" },
      { method = "PUT", path = "/a", query = "secret=1", authority = "Shop.test:81", route = { name = "shop" },
        status = 503, backend = {}, endpoint = { address = "one.test:90" }, upstream_address = "10.0.0.1:90",
        start_time = 100,
        duration = 1.5 })
    abi.wall_time = 100.25
    traceparent.try(conf, ctx)
    local first = ctx.req.headers.traceparent
    abi.wall_time = 100.5
    traceparent.tried(conf, ctx, "connection refused")
    traceparent.try(conf, ctx)
    local second = ctx.req.headers.traceparent
    traceparent.tried(conf, ctx, nil)
    traceparent.log(conf, ctx)
    assert.equal(3, #spans)
    for i = 1, 3 do assert.equal('a="1\\,b=2', spans[i].traceState) end
    local server = spans[3]
    assert.same({ TRACE, SPAN, "PUT shop", 2, "100000000000", "101500000000", 2 }, { server.traceId,
      server.parentSpanId, server.name, server.kind, server.startTimeUnixNano, server.endTimeUnixNano,
        server.status.code })
    assert.same({ ["http.request.method"] = "PUT", ["url.scheme"] = "http", ["url.path"] = "/a",
      ["server.address"] = "shop.test", ["server.port"] = "8080", ["client.address"] = "127.0.0.1",
      ["network.peer.address"] = "127.0.0.1", ["network.peer.port"] = "40000", ["network.protocol.version"] = "1.1",
      ["user_agent.original"] = 'curl/8?"', ["http.route"] = "shop", ["http.response.status_code"] = "503",
      ["error.type"] = "503" }, attributes(server))
    for i, header in ipairs { first, second } do
      assert.same({ TRACE, server.spanId, "PUT", 3, 2 }, { spans[i].traceId, spans[i].parentSpanId, spans[i].name,
        spans[i].kind, spans[i].status.code })
      assert.equal(header, context.format(TRACE, spans[i].spanId, true))
    end
    assert.same({ "100250000000", "100500000000" }, { spans[1].startTimeUnixNano, spans[1].endTimeUnixNano })
    assert.same({ ["http.request.method"] = "PUT", ["server.address"] = "one.test", ["server.port"] = "90",
      ["network.peer.address"] = "10.0.0.1", ["network.peer.port"] = "90", ["url.full"] = "http://Shop.test:81/a",
      ["error.type"] = "connection refused" }, attributes(spans[1]))
    assert.same({ "1", "503" }, { attributes(spans[2])["http.request.resend_count"],
      attributes(spans[2])["http.response.status_code"] })
  end)

  it("names no span after what a client makes up, and ends what was cut", function()
    local ctx, conf = begin({ url = "http://c" }, {}, { method = "BREW", status = 0, backend = {} })
    traceparent.try(conf, ctx)
    traceparent.log(conf, ctx)
    assert.same({ "HTTP", "cancelled" }, { spans[1].name, attributes(spans[1])["error.type"] })
    local map = attributes(spans[2])
    assert.same({ "HTTP", "_OTHER", "BREW", "cancelled" }, { spans[2].name, map["http.request.method"],
      map["http.request.method_original"], map["error.type"] })
    assert.is_nil(spans[2].parentSpanId)
  end)

  it("refuses settings that make no sense", function()
    local function wrong(settings) return (fake.mistakes(traceparent, settings))[1] end
    assert.matches("^service: stands beside url", wrong { url = "http://c", service = "d" })
    assert.matches("^url: ", wrong { url = "collector:4318" })
    assert.matches("^ratio: ", wrong { ratio = 1.1 })
    assert.matches("^incoming: ", wrong { incoming = "trust" })
  end)
end)
