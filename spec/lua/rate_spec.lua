require "spec.support.init"
local rate = require "moongate.rate"

local SECOND = 1000000

-- How many of the requests at these times (µs) pass, and when each did.
local function passed(name, times, limit, per, burst)
  local take, state, list = rate.functions[name], "", {}
  for _, now in ipairs(times) do
    local allowed, left, more, full, new = take(state, now, limit, per, burst or limit)
    assert(left >= 0 and left < math.max(limit, burst or limit) and more >= 0 and full > 0)
    if allowed == 1 then
      assert(more == 0)
      state = new
      list[#list + 1] = now
    else
      assert(new == nil and left == 0 and more > 0)
    end
  end
  return #list, list
end

local function every(step, count, from)
  local times = {}
  for i = 1, count do times[i] = (from or 1000) + math.floor((i - 1) * step) end
  return times
end

local function near(expected, got)
  assert.is_true(math.abs(got - expected) <= expected * 0.01, ("expected %g within 1 %%, got %g"):format(expected, got))
end

describe("rate", function()
  it("let the rate pass, within 1 percent, however much comes", function()
    near(100 + 60 * 100, (passed("token_bucket", every(1000, 60000), 100, SECOND)))
    near(60 * 100, (passed("token_bucket", every(1000, 60000), 100, SECOND, 1)))
    near(1 + 30 * 7, (passed("token_bucket", every(3333, 9000), 7, SECOND, 1)))
    near(10 * 90000, (passed("token_bucket", every(9.7, 1030000, 3e13), 90000, SECOND, 10)))
    near(60 * 100, (passed("sliding_window", every(1000, 60000), 100, SECOND)))
    near(60 * 7, (passed("sliding_window", every(1234, 48622), 7, SECOND)))
    near(20 * 3000, (passed("sliding_window", every(217, 92166, 3e13), 3000, SECOND)))
  end)

  it("let as much come at once as they should, and again after it has been quiet", function()
    assert.equal(100, (passed("token_bucket", every(1, 1000), 100, SECOND)))
    assert.equal(5, (passed("token_bucket", every(1, 1000), 100, SECOND, 5)))
    assert.equal(100, (passed("sliding_window", every(1, 1000), 100, SECOND)))
    local times = every(1, 1000)
    for _, now in ipairs(every(1, 1000, 10 * SECOND)) do times[#times + 1] = now end
    assert.equal(10, (passed("token_bucket", times, 100, SECOND, 5)))
    assert.equal(200, (passed("sliding_window", times, 100, SECOND)))
  end)

  it("keep any window under the limit, to a hundredth of it", function()
    math.randomseed(7)
    local times, now = {}, 1000
    for i = 1, 20000 do
      now = now + (math.random(50) == 1 and math.random(400000) or math.random(2000))
      times[i] = now
    end
    local _, list = passed("sliding_window", times, 50, SECOND)
    for i = 51, #list do assert.is_true(list[i] - list[i - 50] >= 0.99 * SECOND) end
  end)

  it("say when there is more", function()
    for name, take in pairs(rate.functions) do
      local now, state = 1000, ""
      for _ = 1, 50 do
        local allowed, _, more, _, new = take(state, now, 3, SECOND, 3)
        if allowed == 0 then
          assert.equal(0, (take(state, now + more - 10, 3, SECOND, 3)), name)
          now = now + more
          allowed, _, _, _, new = take(state, now, 3, SECOND, 3)
          assert.equal(1, allowed, name)
        end
        state = new
      end
    end
  end)
end)
