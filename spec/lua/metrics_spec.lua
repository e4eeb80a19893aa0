require "spec.support.init"
local abi = require "spec.support.fake_abi"
local metrics = require "moongate.metrics"

describe("metrics", function()
  before_each(abi.reset)

  it("counts by label values, one series for equal ones", function()
    local family = metrics.counter { name = "t_requests_total", help = "Requests.", labels = { "method", "code" } }
    family:with("GET", 200):add()
    family:with("GET", 200):add(2)
    family:with("PUT", "200"):add()
    assert.equal(family:with("GET", 200), family:with("GET", 200))
    assert.equal(3, (abi.value("t_requests_total", "GET", "200")))
    assert.equal(1, (abi.value("t_requests_total", "PUT", "200")))
  end)

  it("refuses a family that is malformed, where it is declared", function()
    for _, bad in ipairs {
      {}, { name = 5 }, { name = "t_total", lables = {} }, { name = "t_total", labels = { 1 } },
      { name = "t_total", labels = "code" }, { name = "t_total", help = true }, { name = "t_total", max_series = 0 },
    } do
      local ok, err = pcall(function() metrics.counter(bad) end)
      assert.is_false(ok)
      assert.truthy(err:find "^[^ ]*metrics_spec%.lua:%d+: metrics: counter", err)
    end
  end)

  it("works without labels", function()
    local family = metrics.counter { name = "t_plain_total" }
    family:with():add(5)
    family:with():add(1)
    assert.equal(6, (abi.value("t_plain_total")))
  end)

  it("sets and adds gauges", function()
    local series = metrics.gauge({ name = "t_gauge", labels = { "a" } }):with("x")
    series:set(2.5)
    series:add(-1)
    assert.equal(1.5, (abi.value("t_gauge", "x")))
  end)

  it("observes in histograms with the buckets given", function()
    local family = metrics.histogram { name = "t_seconds", labels = {}, buckets = { 0.1, 1 } }
    family:with():observe(0.25)
    local count, sum = abi.value("t_seconds")
    assert.same({ 1, 0.25 }, { count, sum })
    assert.same({ 0.1, 1 }, abi.family("t_seconds").bounds)
  end)

  it("gives the same family for the same name", function()
    local first = metrics.counter { name = "t_same_total", labels = { "a" } }
    assert.equal(first, metrics.counter { name = "t_same_total", labels = { "a" } })
  end)

  it("raises for a name taken by another kind, and for a missing value", function()
    local family = metrics.counter { name = "t_taken", labels = { "a", "b" } }
    assert.has_error(function() metrics.gauge { name = "t_taken", labels = { "a", "b" } } end)
    assert.has_error(function() family:with("x") end, "metrics: t_taken: label 'b' has no value")
  end)

  it("remembers no more series than the family may have", function()
    local family = metrics.counter { name = "t_many_total", labels = { "id" }, max_series = 3 }
    for i = 1, 10 do family:with(i):add() end
    assert.equal(family:with(3), family:with(3))
    assert.not_equal(family:with(9), family:with(9))
  end)
end)
