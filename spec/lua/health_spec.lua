require "spec.support.native"
require "spec.support.fake_abi"
local checks = require "moongate.health.checks"
local rates = require "moongate.health.rates"

describe("active checks", function()
  local function after(conf, ...)
    local text, changes = nil, {}
    for i, well in ipairs { ... } do
      local changed
      text, changed = checks.step(text, well, conf)
      if changed then changes[#changes + 1] = i end
    end
    return text, changes
  end

  it("let the first one decide alone", function()
    assert.same({ "up 0", {} }, { after({ healthy = 2, unhealthy = 3 }, true) })
    assert.same({ "down 0", { 1 } }, { after({ healthy = 2, unhealthy = 3 }, false) })
  end)

  it("need several in a row that say otherwise", function()
    local conf = { healthy = 2, unhealthy = 3 }
    assert.same({ "up 2", {} }, { after(conf, true, false, false) })
    assert.same({ "up 2", {} }, { after(conf, true, false, false, true, false, false) })
    assert.same({ "down 0", { 4 } }, { after(conf, true, false, false, false) })
    assert.same({ "down 1", { 1 } }, { after(conf, false, true) })
    assert.same({ "up 0", { 1, 4 } }, { after(conf, false, false, true, true) })
  end)
end)

describe("success rates", function()
  local CONF = { minimum_hosts = 3, request_volume = 10, stdev_factor = 1 }

  local function low(conf, ...)
    local list, names = {}, {}
    for i, item in ipairs { ... } do list[i] = { endpoint = i, total = item[1], good = item[2] } end
    for i, item in ipairs(rates.low(list, conf)) do names[i] = item.endpoint end
    return names
  end

  it("leave out who is far below the others", function()
    assert.same({ 3 }, low(CONF, { 10, 10 }, { 20, 20 }, { 10, 5 }))
    assert.same({}, low(CONF, { 10, 9 }, { 10, 9 }, { 10, 9 }))
  end)

  it("count those with enough requests only, and need enough of them", function()
    assert.same({}, low(CONF, { 10, 10 }, { 20, 20 }, { 9, 0 }))
    assert.same({}, low(CONF))
    assert.same({ 4 }, low(CONF, { 10, 10 }, { 20, 20 }, { 9, 0 }, { 10, 2 }))
  end)
end)
