require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local retry = require "moongate.retry"

local OK, STALE, CONNECT, TIMEOUT, FULL = 0, -10016, -10007, -10006, -10015

local function worth(on, rc, status, headers)
  local plan = retry.new { attempts = 1, on = on, buffer = 0, back_off = 25, max_back_off = 250, avoid_tried = true }
  return retry.worth(plan, rc, status, fake.headers(headers))
end

describe("retry", function()
  it("looks at the status, where there is an answer", function()
    assert.is_true(worth({ "503" }, OK, 503))
    assert.is_false(worth({ "503" }, OK, 502))
    assert.is_true(worth({ "5xx" }, OK, 599))
    assert.is_true(worth({ "gateway-error" }, OK, 504))
    assert.is_false(worth({ "gateway-error" }, OK, 500))
    assert.is_true(worth({ "retriable-4xx" }, OK, 409))
    assert.is_false(worth({ "retriable-4xx" }, OK, 404))
  end)

  it("looks at the gRPC status in the answer's head", function()
    for name, code in pairs { cancelled = 1, ["deadline-exceeded"] = 4, ["resource-exhausted"] = 8, internal = 13,
      unavailable = 14 } do
      assert.is_true(worth({ name }, OK, 200, { ["grpc-status"] = tostring(code) }))
      assert.is_false(worth({ name }, OK, 200, { ["grpc-status"] = tostring(code + 1) }))
      assert.is_false(worth({ name }, OK, 200, {}))
    end
  end)

  it("leaves an answer of a rate limit, unless that is asked for", function()
    local limited = { ["x-envoy-ratelimited"] = "true" }
    assert.is_false(worth({ "5xx" }, OK, 503, limited))
    assert.is_true(worth({ "5xx", "envoy-ratelimited" }, OK, 429, limited))
    assert.is_false(worth({ "envoy-ratelimited" }, OK, 429))
  end)

  it("knows what came to nothing", function()
    assert.is_true(worth({ "connect-failure" }, CONNECT))
    assert.is_false(worth({ "connect-failure" }, STALE))
    assert.is_true(worth({ "reset" }, STALE))
    assert.is_false(worth({ "connect-failure", "503" }, TIMEOUT)) -- the time of a try is over
    assert.is_true(worth({ "gateway-error" }, TIMEOUT))
    assert.is_false(worth({ "5xx", "reset" }, FULL))
  end)

  it("is no plan without tries", function()
    assert.is_nil(retry.new(nil))
    assert.is_nil(retry.new { attempts = 0, on = { "5xx" } })
  end)
end)
