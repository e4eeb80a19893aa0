require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local fault = require "policies.fault"

local function run(settings, draws)
  fake.draws(draws)
  local ctx = fake.new {}
  local answer = fault.request(fake.conf(fault, settings), ctx)
  return answer and answer.status, ctx.slept, ctx:flags_text(), ctx, answer
end

local BOTH = { delay = { fixed = "5s", percent = 50 }, abort = { status = 503, percent = 10 } }

describe("policy fault", function()
  it("delays the share that was drawn", function()
    for _, case in ipairs { { 0.49, 5000, "DI" }, { 0.5, nil, "-" } } do
      local status, slept, flags = run({ delay = { fixed = "5s", percent = 50 } }, { case[1] })
      assert.is_nil(status)
      assert.equal(case[2], slept)
      assert.equal(case[3], flags)
    end
  end)

  it("aborts as Envoy does", function()
    local status, slept, flags, ctx, answer = run({ abort = { status = 418 } }, { 0.999999 })
    assert.equal(418, status)
    assert.is_nil(slept)
    assert.equal("FI", flags)
    assert.equal("fault_filter_abort", ctx.details)
    assert.same({ "fault filter abort", "text/plain" }, { answer.body, answer.headers["content-type"] })
  end)

  it("aborts with a gRPC status in place of one of HTTP", function()
    local status, _, flags, _, answer = run({ abort = { grpc_status = 14 } }, { 0 })
    assert.same({ 200, "FI", "14", "fault filter abort" },
      { status, flags, answer.headers["grpc-status"], answer.headers["grpc-message"] })
    for _, abort in ipairs { {}, { status = 503, grpc_status = 14 } } do
      assert.equal("abort: needs one of status and grpc_status", fake.mistakes(fault, { abort = abort })[1])
    end
  end)

  it("draws delay and abort apart, delay first", function()
    for _, case in ipairs {
      { { 0.4, 0.05 }, 503, 5000, "DI,FI" }, { { 0.4, 0.5 }, nil, 5000, "DI" }, { { 0.6, 0.05 }, 503, nil, "FI" },
    } do
      local status, slept, flags = run(BOTH, case[1])
      assert.equal(case[2], status)
      assert.equal(case[3], slept)
      assert.equal(case[4], flags)
    end
  end)

  it("does nothing at 0 percent", function()
    local status, slept = run({ delay = { fixed = "1s", percent = 0 }, abort = { status = 500, percent = 0 } }, { 0 })
    assert.is_nil(status)
    assert.is_nil(slept)
  end)

  it("refuses settings that cannot be meant", function()
    assert.truthy(fake.mistakes(fault, {})[1]:find("needs delay or abort"))
    assert.truthy(fake.mistakes(fault, { abort = { status = 42 } })[1]:find("abort.status"))
    assert.truthy(fake.mistakes(fault, { abort = { status = 500, percent = 101 } })[1]:find("abort.percent"))
  end)
end)
