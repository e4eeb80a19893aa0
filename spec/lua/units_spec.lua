local units = require "moongate.units"

describe("units", function()
  it("reads durations as milliseconds", function()
    assert.equal(5000, units.duration("5s"))
    assert.equal(100, units.duration("100ms"))
    assert.equal(5400000, units.duration("1h30m"))
    assert.equal(500, units.duration("0.5s"))
    assert.equal(2500, units.duration(2.5))
    assert.equal(0, units.duration("0s"))
    assert.equal(0, units.duration(0))
    assert.equal(1, units.duration("1us")) -- never rounded down to "none"
  end)

  it("refuses what is no duration", function()
    for _, value in ipairs { "", "5", "s", "5 s", "-5s", "5x", "1s1", "600h", -1, 0 / 0, math.huge } do
      local ms, err = units.duration(value)
      assert.is_nil(ms)
      assert.matches("^expected a duration", err)
    end
    assert.is_nil((units.duration({})))
  end)

  it("reads sizes as bytes", function()
    assert.equal(65536, units.size("64KiB"))
    assert.equal(1048576, units.size("1MiB"))
    assert.equal(1536, units.size("1.5KiB"))
    assert.equal(10000000, units.size("10MB"))
    assert.equal(7, units.size(7))
    assert.equal(7, units.size("7"))
  end)

  it("refuses what is no size", function()
    for _, value in ipairs { "", "KiB", "1kb", "-1", "1.1", 1.5, -1, math.huge, 0 / 0 } do
      assert.is_nil((units.size(value)))
    end
  end)
end)
