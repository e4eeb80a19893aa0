local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local CONFIG = [[
  return {
    listeners = { web = { address = "127.0.0.1:$web" } },
    admin = { address = "127.0.0.1:$admin" },
    services = { up = { endpoints = { { address = "$up" } } } },
    policies = { { "metrics", istio = { {} } } },
    routes = { { name = "all", backends = { { service = "up" } } } },
  }]]

describe("the admin address", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, workers = 2, config = CONFIG }
  end)

  teardown(gateway.stop_all)

  it("says that the gateway lives and is ready", function()
    assert.equal("ready\n", http.get(gw.ports.admin, "/healthz/ready").body)
    assert.equal("live\n", http.get(gw.ports.admin, "/healthz/live").body)
  end)

  it("answers whoever asks while another config is taken", function()
    local stop, asked, ended = false, 0, 0
    for _ = 1, 8 do
      loop.spawn(function()
        while not stop do
          assert.equal(200, assert(http.ask(gw.ports.admin, { path = "/stats/prometheus" })).status)
          asked = asked + 1
        end
        ended = ended + 1
      end)
    end
    for _ = 1, 20 do assert(gw:reload(CONFIG, { up = up.address })) end
    stop = true
    assert.truthy(loop.poll(function() return ended == 8 or nil end))
    assert.is_true(asked > 20)
  end)

  it("shows what it runs, but no key", function()
    local response = http.get(gw.ports.admin, "/config")
    assert.equal("application/json", response.headers["content-type"])
    assert.truthy(response.body:find("web", 1, true))
    assert.is_nil(response.body:find("PRIVATE KEY", 1, true))
  end)

  it("shows it to all who ask while it is being made, and to those who ask later", function()
    assert(gw:reload(CONFIG, { up = up.address }))
    local bodies = {}
    for i = 1, 5 do loop.spawn(function() bodies[i] = http.get(gw.ports.admin, "/config").body end) end
    assert.truthy(loop.poll(function() return #bodies == 5 or nil end))
    bodies[6] = http.get(gw.ports.admin, "/config").body
    assert.truthy(bodies[1]:find('"name":"all"', 1, true))
    for i = 2, 6 do assert.equal(bodies[1], bodies[i]) end
  end)

  it("serves metrics that promtool finds nothing wrong with", function()
    for i = 1, 20 do assert(gw:ask { method = i % 2 == 0 and "PUT" or "GET", path = "/" .. i }) end
    assert.equal(20, gw:counts("moongate_requests_total", { listener = "web", code = "200" }, 20))
    local response = http.get(gw.ports.admin, "/stats/prometheus")
    assert.equal("text/plain; version=0.0.4; charset=utf-8", response.headers["content-type"])
    local file = gateway.write(gw.folder .. "/metrics", response.body)
    -- Istio's own name for its durations is the one thing that promtool would have otherwise.
    local said = process.read("promtool check metrics <'" .. file .. "' 2>&1")
    assert.equal("", (said:gsub("istio_[^\n]*milliseconds[^\n]*\n", "")))
  end)

  it("counts in base units, and as Istio does", function()
    assert.is_true(gw:metric("moongate_request_duration_seconds_sum", { route = "all" }) < 20)
    assert.equal(20, gw:metric("istio_requests_total", { response_code = "200", reporter = "destination" }))
    assert.equal(20, gw:metric("istio_request_duration_milliseconds_count", { response_code = "200" }))
    local count = gw:metric "moongate_request_duration_seconds_count"
    assert.equal(count, (gw:metric("moongate_request_duration_seconds_bucket", { le = "+Inf" })))
  end)

  it("serves more than a socket takes at once", function()
    local many = gateway.start { args = { "--policy-path", "spec/bench/moongate/policies" }, config = [[
      return {
        listeners = { many = { address = "127.0.0.1:$many" } },
        admin = { address = "127.0.0.1:$admin_of_many" },
        routes = { { name = "all", policies = { { "bench_series", count = 20000 }, { "respond" } } } },
      }]] }
    local response = http.get(many.ports.admin_of_many, "/stats/prometheus")
    assert.equal(response.headers["content-length"], tostring(#response.body))
    assert.equal(20000, select(2, response.body:gsub("\nbench_%d+_total{", "")))
    assert.equal("ready\n", http.get(many.ports.admin_of_many, "/healthz/ready").body)
  end)

  it("knows no other page, no other method, and is no listener for traffic", function()
    local before = #up.requests
    assert.equal(404, assert(http.ask(gw.ports.admin, { path = "/" })).status)
    assert.equal(405, assert(http.ask(gw.ports.admin, { path = "/config", method = "POST", body = "" })).status)
    assert.equal(before, #up.requests)
    assert.equal("", assert(http.ask(gw.ports.admin, { path = "/healthz/live", method = "HEAD" })).body)
  end)
end)
