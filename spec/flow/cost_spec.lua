--- What policies cost and decide, as metrics.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

local REQUESTS = 200 -- more than the 127 within which one is timed

describe("what policies cost", function()
  local gw

  setup(function()
    local up = upstream.start()
    local folder = gateway.folder()
    gateway.write(folder .. "/slow.lua", [[
      return {
        request = function(_, ctx) ctx:sleep(2000) end,
        response = function(_, ctx) ctx.res.headers["x-slow"] = "1" end,
        log = function() end,
      }]])
    gateway.write(folder .. "/judge.lua", [[
      return {
        body = { request = "whole" },
        request = function(_, ctx) if ctx.req.path == "/head" then return ctx:respond(403, "no") end end,
        request_body = function(_, ctx, bytes) if bytes == "evil" then return ctx:respond(422, "no") end end,
      }]])
    gw = gateway.start { values = { up = up.address }, workers = 1, args = { "--policy-path", folder }, config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = {
          { name = "slow", match = { path = { prefix = "/slow" } },
            policies = { "slow", { "respond", status = 201, body = "slow" } } },
          { name = "judge", policies = { "judge" },
            backends = { { service = "up", policies = { { "respond", status = 418, body = "teapot" } } } } },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  it("counts every answer of a policy, by its phase and status", function()
    for _ = 1, 3 do assert.equal(403, gw:ask({ path = "/head" }).status) end
    assert.equal(422, gw:ask({ method = "POST", path = "/body", body = "evil" }).status)
    assert.equal(418, gw:ask({ path = "/" }).status)
    local metric = "moongate_policy_decisions_total"
    assert.equal(3, gw:counts(metric, { policy = "judge", phase = "request", code = "403" }, 3))
    assert.equal(1, gw:metric(metric, { policy = "judge", phase = "request_body", code = "422" }))
    assert.equal(1, gw:metric(metric, { policy = "respond", phase = "request", code = "418" }))
  end)

  it("times one request in so many, waits left out", function()
    local asks = {}
    for i = 1, REQUESTS do
      asks[i] = function() return assert(http.ask(gw.ports.web, { path = "/slow" })).status end
    end
    for _, status in ipairs(loop.all(unpack(asks))) do assert.equal(201, status) end
    for _, phase in ipairs { "request", "response", "log" } do
      local labels = { policy = "slow", phase = phase }
      local count = gw:metric("moongate_policy_duration_seconds_count", labels)
      assert.is_true(count >= 1 and count < REQUESTS / 2, phase .. " timed " .. tostring(count))
      assert.is_true(gw:metric("moongate_policy_duration_seconds_sum", labels) < count * 1.5)
    end
  end)
end)
