local balance = require "moongate.balance"

local function endpoints(...)
  local list = {}
  for i, weight in ipairs { ... } do
    list[i] = { address = "10.0.0." .. i .. ":80", labels = { version = i % 2 == 1 and "v1" or "v2" }, weight = weight }
  end
  return list
end

local function service(kind, ...)
  return {
    endpoints = endpoints(...), balance = type(kind) == "table" and kind or { kind = kind },
    subsets = { v1 = { version = "v1" }, v3 = { version = "v3" } },
  }
end

local function picker(kind, options, ...)
  options.random = options.random or math.random
  return balance.new(service(kind, ...), options):picker()
end

local function count(times, pick)
  local counts = {}
  for _ = 1, times do
    local endpoint = pick()
    counts[endpoint.address] = (counts[endpoint.address] or 0) + 1
  end
  return counts
end

local function first() return 0 end

describe("balance", function()
  before_each(function() math.randomseed(7) end)

  it("takes turns", function()
    local made = picker("round_robin", { random = first }, 1, 1, 1)
    local order = ""
    for _ = 1, 6 do order = order .. made:pick().address:sub(8, 8) end
    assert.equal("123123", order)
  end)

  it("takes weighted turns smoothly", function()
    local made = picker("round_robin", {}, 5, 1, 1)
    local order = ""
    for _ = 1, 7 do order = order .. made:pick().address:sub(8, 8) end
    assert.equal("1121311", order)
  end)

  it("gives nothing to weight 0", function()
    for _, kind in ipairs { "round_robin", "random", "least_request" } do
      local made = picker(kind, { active = function() return 0 end }, 0, 1)
      assert.same({ ["10.0.0.2:80"] = 20 }, count(20, function() return made:pick() end))
    end
    assert.is_nil(picker("round_robin", {}, 0):pick())
    assert.is_nil(picker("consistent_hash", {}):pick())
  end)

  it("draws by weight", function()
    local made = picker("random", {}, 3, 1)
    local counts = count(20000, function() return made:pick() end)
    assert.near(15000, counts["10.0.0.1:80"], 300)
  end)

  it("prefers the less busy of two", function()
    local busy = { ["10.0.0.1:80"] = 9, ["10.0.0.2:80"] = 1 }
    local made = picker("least_request", { active = function(endpoint) return busy[endpoint.address] end }, 1, 1)
    assert.same({ ["10.0.0.2:80"] = 50 }, count(50, function() return made:pick() end))
  end)

  it("weighs how busy they are, and keeps the shares at rest", function()
    local busy = { ["10.0.0.1:80"] = 9, ["10.0.0.2:80"] = 1 }
    local active = function(endpoint) return busy[endpoint.address] end
    local made = picker("least_request", { active = active }, 100, 1)
    assert.same({ ["10.0.0.1:80"] = 50 }, count(50, function() return made:pick() end))
    busy = { ["10.0.0.1:80"] = 0, ["10.0.0.2:80"] = 0 }
    made = picker("least_request", { active = active }, 3, 1)
    assert.near(7500, count(10000, function() return made:pick() end)["10.0.0.1:80"], 300)
  end)

  it("avoids endpoints that were tried, while there is another", function()
    local made = picker("round_robin", { random = first }, 1, 1, 1)
    local tried = {}
    for i = 1, 3 do
      local endpoint = made:pick({}, tried)
      assert.is_nil(tried[endpoint], i)
      tried[endpoint] = true
    end
    assert.is_table(made:pick({}, tried))
  end)

  it("selects subsets by label", function()
    local made = balance.new(service("round_robin", 1, 1, 1), { random = first })
    assert.same({ ["10.0.0.1:80"] = 2, ["10.0.0.3:80"] = 2 }, count(4, function() return made:picker("v1"):pick() end))
    assert.is_nil(made:picker("v3"):pick())
    assert.is_nil(made:picker("v9"))
  end)
end)

describe("balance consistent_hash", function()
  before_each(function() math.randomseed(7) end)

  local function with_user(user)
    return { req = { headers = { get = function(_, name) return name == "x-user" and user or nil end } } }
  end

  for _, algorithm in ipairs { "ring", "maglev" } do
    local conf = { kind = "consistent_hash", header = "x-user", algorithm = algorithm }

    it("keeps a key on its endpoint, whatever was tried: " .. algorithm, function()
      local made = picker(conf, {}, 1, 1, 1)
      for i = 1, 20 do
        local ctx = with_user("user-" .. i)
        local endpoint = made:pick(ctx)
        assert.equal(endpoint, made:pick(ctx))
        assert.equal(endpoint, made:pick(ctx, { [endpoint] = true }))
      end
    end)

    it("spreads keys by weight: " .. algorithm, function()
      local made, i = picker(conf, {}, 1, 1, 2), 0
      local counts = count(8000, function()
        i = i + 1
        return made:pick(with_user("user-" .. i))
      end)
      assert.near(4000, counts["10.0.0.3:80"], 800)
      assert.near(2000, counts["10.0.0.1:80"], 800)
    end)

    it("moves few keys when an endpoint leaves: " .. algorithm, function()
      local four, three = picker(conf, {}, 1, 1, 1, 1), picker(conf, {}, 1, 1, 1)
      local moved = 0
      for i = 1, 2000 do
        local before, after = four:pick(with_user("u" .. i)), three:pick(with_user("u" .. i))
        if before.address ~= "10.0.0.4:80" and before.address ~= after.address then moved = moved + 1 end
      end
      assert.is_true(moved < 2000 * 0.15, moved .. " keys moved")
    end)
  end

  it("draws at random for a request without the value", function()
    local made = picker({ kind = "consistent_hash", header = "x-user" }, {}, 1, 1)
    local counts = count(1000, function() return made:pick(with_user(nil)) end)
    assert.near(500, counts["10.0.0.1:80"], 100)
  end)

  it("hashes cookies and client addresses", function()
    local by_cookie = picker({ kind = "consistent_hash", cookie = "id" }, {}, 1, 1, 1)
    local ctx = { client_address = "192.0.2.1", req = { cookie = function(_, name) return name .. "7" end } }
    assert.equal(by_cookie:pick(ctx), by_cookie:pick(ctx))
    local by_address = picker({ kind = "consistent_hash", source_address = true }, {}, 1, 1, 1)
    assert.equal(by_address:pick(ctx), by_address:pick(ctx))
  end)
end)

describe("balance.split", function()
  it("has exact shares in the long run", function()
    local drawn = 0
    local function evenly() -- a draw that visits [0, 1) evenly shows the shares exactly
      drawn = drawn + 1
      return (drawn - 0.5) / 1000
    end
    local made, counts = balance.split({ { weight = 90 }, { weight = 0 }, { weight = 10 } }, evenly), { 0, 0, 0 }
    for _ = 1, 1000 do
      local i = made:pick()
      counts[i] = counts[i] + 1
    end
    assert.same({ 900, 0, 100 }, counts)
  end)

  it("holds at the ends of the range", function()
    local at = 0
    local backends = { { weight = 0 }, { weight = 1 }, { weight = 1 }, { weight = 0 } }
    local made = balance.split(backends, function() return at end)
    assert.equal(2, made:pick())
    at = 1 - 2 ^ -53
    assert.equal(3, made:pick())
  end)

  it("draws nothing for a single backend", function()
    assert.equal(1, balance.split({ { weight = 5 } }, error):pick())
  end)
end)
