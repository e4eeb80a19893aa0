require "spec.support.native"
local fake_abi = require "spec.support.fake_abi"
local abi = require "moongate.abi"
local checks = require "moongate.health.checks"
local health = require "moongate.health"
local board = require "moongate.health.board"
local rates = require "moongate.health.rates"
local succession = require "moongate.health.succession"

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

describe("of very many endpoints", function()
  it("each has its turn, however many of those before it are due again", function()
    local self, asked = { at = 0, items = {} }, {}
    for i = 1, 10 do self.items[i] = { due = 0, name = i } end
    for now = 1, 5 do -- two at a time, each due again at once
      for _ = 1, 2 do asked[#asked + 1] = checks.next_due(self, now).name end
    end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, asked)
    for _, item in ipairs(self.items) do item.due = 9 end
    assert.is_nil(checks.next_due(self, 8))
  end)
end)

describe("a check that began under the config before", function()
  local before, first, told

  local function service(more)
    local made = { name = "s", endpoints = { { address = "10.0.0.1:80" } } }
    for name, value in pairs(more) do made[name] = value end
    return made
  end
  local CHECKED = { health_check = { healthy = 2, unhealthy = 3 } }
  local EJECTS = { outlier_detection = { consecutive_5xx = 5, interval = 1000 } }

  before_each(function()
    fake_abi.reset()
    first, told = service(CHECKED), 0
    before = health.new(first)
  end)

  -- Another config takes over, and then the check of the first ends; the endpoint's state.
  local function ends(next_service)
    local after = health.new(next_service, before)
    after:watch { refresh = function() told = told + 1 end }
    succession.hand_over({ s = before }, { s = after })
    checks.settle(before, first.endpoints[1], "refused")
    return after.states[next_service.endpoints[1]]
  end

  it("tells the choice of the one that serves", function()
    assert.is_true(ends(service(CHECKED)).down)
    assert.equal(1, told)
    assert.equal("down 0", board.read("check", "s", first.endpoints[1]))
  end)

  it("takes nobody out where nobody would bring it back", function()
    assert.is_false(ends(service(EJECTS)).down)
    assert.is_nil(board.read("check", "s", first.endpoints[1]))
  end)

  it("leaves nothing behind that would count when the endpoint is back", function()
    checks.settle(before, first.endpoints[1], "refused")
    assert.equal("down 0", board.read("check", "s", first.endpoints[1]))
    ends { name = "s", endpoints = { { address = "10.0.0.2:80" } }, health_check = CHECKED.health_check }
    assert.is_nil(board.read("check", "s", first.endpoints[1]))
  end)
end)

describe("an ejection", function()
  local time
  local function now() return time end

  local function service()
    return { name = "s", endpoints = { { address = "10.0.0.1:80" }, { address = "10.0.0.2:80" } },
      outlier_detection = { consecutive_5xx = 1, consecutive_gateway_errors = 0, interval = 100,
        base_ejection_time = 500, max_ejection_time = 1200, max_ejection_percent = 100 } }
  end

  before_each(function()
    time = 1000
    fake_abi.reset()
  end)

  it("is longer each time, and less so for each interval that went well", function()
    local given = service()
    local watch, endpoint = health.new(given, nil, now), given.endpoints[1]
    local function ejected_at(start)
      time = start
      watch:bring_back(time)
      watch:report(endpoint, abi.C.MG_OK, 500)
      return watch.states[endpoint].until_
    end
    assert.equal(1500, ejected_at(1000))
    assert.equal(2500, ejected_at(1500))
    assert.equal(3700, ejected_at(2500)) -- no longer than max_ejection_time
    watch:bring_back(3700)
    assert.equal(4900, ejected_at(3900))
    watch:bring_back(4900)
    assert.equal(5700, ejected_at(5200))
  end)

  it("does not count times that made it no longer", function()
    local given = service()
    local watch, endpoint = health.new(given, nil, now), given.endpoints[1]
    for _ = 1, 20 do
      watch:bring_back(time)
      watch:report(endpoint, abi.C.MG_OK, 500)
      time = watch.states[endpoint].until_
    end
    watch:bring_back(time)
    time = time + 400 -- four intervals: as if it had never been
    watch:report(endpoint, abi.C.MG_OK, 500)
    assert.equal(time + 500, watch.states[endpoint].until_)
  end)

  it("by success rate is judged without those that are out already", function()
    local given = service()
    given.outlier_detection.consecutive_5xx, given.outlier_detection.interval = 3, 10000
    given.outlier_detection.success_rate = { minimum_hosts = 3, request_volume = 10, stdev_factor = 1.2 }
    for i = 3, 5 do given.endpoints[i] = { address = ("10.0.0.%d:80"):format(i) } end
    local watch = health.new(given, nil, now)
    local function asked(i, n, bad)
      for k = 1, n do watch:report(given.endpoints[i], abi.C.MG_OK, k % bad == 0 and 500 or 200) end
    end
    asked(1, 20, 1) -- out at the third
    for i = 2, 4 do asked(i, 20, 1000) end
    asked(5, 20, 4) -- three of four
    assert.is_falsy(watch.states[given.endpoints[5]].until_)
    time = time + 10000
    asked(2, 1, 1000)
    assert.truthy(watch.states[given.endpoints[5]].until_)
  end)

  it("by a request of the config before is told to the choice of the one that serves, and ends there", function()
    local first, second, told = service(), service(), 0
    local before = health.new(first, nil, now)
    local after = health.new(second, before, now)
    after:watch { refresh = function() told = told + 1 end }
    before:report(first.endpoints[1], abi.C.MG_OK, 500)
    after:look()
    assert.equal(1, told)
    assert.equal(1500, after.states[second.endpoints[1]].until_)
    time = 1500
    after:bring_back(time)
    assert.is_false(after.states[second.endpoints[1]].until_)
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
