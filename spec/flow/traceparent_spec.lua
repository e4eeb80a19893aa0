--- Policy traceparent: what the service and a collector get to see; a collector that fails, is slow and is gone.
local cjson = require "cjson"
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local upstream = require "spec.support.upstream"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local GOOD = ("00-%s-%s-01"):format(TRACE, SPAN)

describe("policy traceparent on real sockets", function()
  local gw, main, collector, spans

  local function collect(request)
    request:read()
    local batch = cjson.decode(request.body).resourceSpans[1]
    for _, span in ipairs(batch.scopeSpans[1].spans) do
      span.service, span.attribute = batch.resource.attributes[1].value.stringValue, {}
      for _, one in ipairs(span.attributes) do
        span.attribute[one.key] = one.value.stringValue or tonumber(one.value.intValue)
      end
      spans[#spans + 1] = span
    end
    return { headers = { ["Content-Type"] = "application/json" }, body = "{}" }
  end

  setup(function()
    main, collector, spans = upstream.start(), upstream.start(collect), {}
    gw = gateway.start { values = { main = main.address, collector = collector.address }, config = [[
      local function traced(path, settings, retries)
        settings[1], settings.interval, settings.timeout = "traceparent", "100ms", settings.timeout or "5s"
        return { name = path:sub(2), match = { path = { prefix = path } }, policies = { settings },
          backends = { { service = "main" } }, retries = retries }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { main = { endpoints = { { address = "$main" } } },
          collector = { endpoints = { { address = "$collector" } } } },
        policies = { { "access_log", format = "%REQ(:PATH)% trace=%TRACE_ID%" } },
        routes = {
          traced("/shop", { url = "http://$collector/v1/traces", headers = { ["x-token"] = "t" }, name = "edge" },
            { attempts = 2, on = { "503" }, back_off = "1ms" }),
          traced("/service", { service = "collector", name = "inner" }),
          traced("/edge", { incoming = "restart", ratio = 0 }),
          { name = "slow", match = { path = { prefix = "/slow" } }, policies = {
            { "traceparent", service = "collector", interval = "100ms", slow_policy = "150ms" },
            { "fault", delay = { fixed = "200ms", percent = 100 } }, { "respond", body = "ok" } } },
          traced("/gone", { url = "http://127.0.0.1:$gone/v1/traces", queue = 3 }),
        },
      }]] }
  end)
  teardown(gateway.stop_all)
  before_each(function()
    main.requests, collector.requests, spans = {}, {}, {}
    main.answer, collector.answer = nil, collect
  end)

  local function wait_for(count)
    assert.truthy(loop.poll(function() return #spans >= count or nil end), #spans .. " spans")
    return spans
  end

  it("puts a span of the request and one of each try into the caller's trace", function()
    local count = 0
    main.answer = function(request)
      request:read()
      count = count + 1
      return { status = count < 3 and 503 or 200, body = "ok" }
    end
    local response = assert(gw:ask { path = "/shop/cart?token=secret", method = "PUT", body = "b", host = "shop.test",
      headers = { traceparent = GOOD, tracestate = "a=1", ["user-agent"] = 'odd "agent"\\' } })
    assert.equal(200, response.status)
    wait_for(4)
    local server = spans[4]
    assert.same({ TRACE, SPAN, "PUT shop", 2, "edge" }, { server.traceId, server.parentSpanId, server.name, server.kind,
      server.service })
    assert.is_nil(server.status.code)
    local a = server.attribute
    assert.same({ "PUT", "http", "/shop/cart", "shop.test", gw.ports.web, "127.0.0.1", "1.1", "shop", 200,
      'odd "agent"\\' }, { a["http.request.method"], a["url.scheme"], a["url.path"], a["server.address"],
      a["server.port"], a["client.address"], a["network.protocol.version"], a["http.route"],
      a["http.response.status_code"], a["user_agent.original"] })
    for i = 1, 3 do
      local try, sent = spans[i], main.requests[i].headers
      assert.same({ TRACE, server.spanId, 3, i < 3 and 2 or nil }, { try.traceId, try.parentSpanId, try.kind,
        try.status.code })
      assert.equal(("00-%s-%s-01"):format(TRACE, try.spanId), sent.traceparent)
      assert.equal("a=1", sent.tracestate)
      assert.same({ i < 3 and 503 or 200, i > 1 and i - 1 or nil, main.port, "http://shop.test/shop/cart" },
        { try.attribute["http.response.status_code"], try.attribute["http.request.resend_count"],
          try.attribute["server.port"], try.attribute["url.full"] })
      assert.is_true(tonumber(try.startTimeUnixNano) <= tonumber(try.endTimeUnixNano))
      assert.is_true(tonumber(server.startTimeUnixNano) <= tonumber(try.startTimeUnixNano) + 1000000)
      assert.is_true(tonumber(try.endTimeUnixNano) <= tonumber(server.endTimeUnixNano) + 1000000)
    end
    assert.same({ "/v1/traces", "application/json", "t" }, { collector:last().target,
      collector:last().headers["content-type"], collector:last().headers["x-token"] })
    assert.equal(TRACE, gw:logged "/shop/cart?token=secret trace=")
  end)

  it("puts a span of each policy that was slow into that of the request", function()
    assert.equal(200, assert(gw:ask { path = "/slow" }).status)
    assert.truthy(loop.poll(function()
      for _, span in ipairs(spans) do if span.kind == 2 then return true end end
    end))
    local slow, server
    for _, span in ipairs(spans) do
      if span.name == "policy fault" then slow = span elseif span.kind == 2 then server = span end
    end
    assert.same({ server.traceId, server.spanId, 1, "fault", "request" }, { slow.traceId, slow.parentSpanId, slow.kind,
      slow.attribute["moongate.policy"], slow.attribute["moongate.phase"] })
    assert.is_true(tonumber(slow.endTimeUnixNano) - tonumber(slow.startTimeUnixNano) >= 150e6)
  end)

  it("begins a trace where none, or no valid one, comes in", function()
    local zero = ("00-%s-%s-01"):format(("0"):rep(32), SPAN)
    for _, given in ipairs { "", GOOD:upper(), GOOD .. "-more", { GOOD, GOOD }, zero } do
      assert.equal(200, assert(gw:ask { path = "/service",
        headers = { traceparent = given, tracestate = "a=1", ["user-agent"] = "\255\254" } }).status)
      local sent = main:last().headers
      local trace, id = sent.traceparent:match "^00%-(%x+)%-(%x+)%-01$"
      assert.is_true(trace ~= TRACE and #trace == 32 and #id == 16)
      assert.is_nil(sent.tracestate)
    end
    wait_for(10)
    assert.equal("inner", spans[1].service)
    assert.is_nil(spans[2].parentSpanId)
  end)

  it("believes nobody at the edge, and sends what is not sampled nowhere", function()
    assert.equal(200, assert(gw:ask { path = "/edge", headers = { traceparent = GOOD } }).status)
    assert.matches("^00%-%x+%-%x+%-00$", main:last().headers.traceparent)
    assert.is_nil(main:last().headers.traceparent:find(TRACE, 1, true))
    assert.equal(200, assert(gw:ask { path = "/shop", headers = { traceparent = (GOOD:gsub("01$", "00")) } }).status)
    assert.equal(200, assert(gw:ask { path = "/shop", headers = { traceparent = GOOD } }).status)
    wait_for(2)
    loop.sleep(0.3)
    assert.equal(2, #spans)
  end)

  it("tells of tries that fail, and of clients that are refused", function()
    main.answer = function(request)
      request:read()
      return nil
    end
    assert.equal(503, assert(gw:ask { method = "POST", path = "/service", body = "x" }).status)
    wait_for(2)
    assert.is_string(spans[1].attribute["error.type"])
    assert.is_nil(spans[1].attribute["http.response.status_code"])
    assert.same({ 503, "503", 2 }, { spans[2].attribute["http.response.status_code"], spans[2].attribute["error.type"],
      spans[2].status.code })
  end)

  it("sends a batch again that the collector could not take, and others not", function()
    local asked, first = 0, nil
    collector.answer = function(request)
      asked = asked + 1
      if asked < 2 then
        request:read()
        first = loop.now()
        return { status = 503, headers = { ["Retry-After"] = "2" } }
      end
      return collect(request)
    end
    assert.equal(200, assert(gw:ask { path = "/service" }).status)
    wait_for(2)
    assert.is_true(loop.now() - first >= 1.9) -- not the second that it would wait by itself
    local before = gw:metric("moongate_spans_total", { outcome = "failed" })
    collector.answer = function(request)
      request:read()
      return { status = 400 }
    end
    assert.equal(200, assert(gw:ask { path = "/service" }).status)
    assert.equal(before + 2, gw:counts("moongate_spans_total", { outcome = "failed" }, before + 2))
    assert.is_string(gw:logged "otlp: the collector takes no spans")
  end)

  it("drops what does not fit while the collector is gone, and serves on", function()
    assert.is_number(net.free_port())
    for _ = 1, 10 do assert.equal(200, assert(gw:ask { path = "/gone" }).status) end
    assert.is_truthy(loop.poll(function()
      return gw:metric("moongate_spans_total", { outcome = "dropped" }) >= 10 or nil
    end))
    collector.answer = function(request)
      loop.sleep(2)
      return collect(request)
    end
    local began = loop.now()
    for _ = 1, 5 do assert.equal(200, assert(gw:ask { path = "/service" }).status) end
    assert.is_true(loop.now() - began < 2) -- nobody waits for the collector
    wait_for(10)
  end)
end)
