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
  -- A generator of its own, so that nothing here is left to chance (Park and Miller's).
  local function generator(state)
    return function()
      state = state * 16807 % 2147483647
      return (state - 1) / 2147483646
    end
  end

  local function backends_of(...)
    local list = {}
    for i, weight in ipairs { ... } do list[i] = { weight = weight } end
    return list
  end

  local function count_of(made, picks, kinds, step)
    local counts = {}
    for i = 1, kinds do counts[i] = 0 end
    for n = 1, picks do
      local i = made:pick()
      if n % (step or 1) == 0 then counts[i] = counts[i] + 1 end
    end
    return counts
  end

  it("has exact shares after each deck", function()
    local made = balance.split(backends_of(90, 0, 10), generator(1))
    for _ = 1, 100 do assert.same({ 9, 0, 1 }, count_of(made, 10, 3)) end
    made = balance.split(backends_of(1, 1), generator(2))
    for _ = 1, 100 do assert.same({ 1, 1 }, count_of(made, 2, 2)) end
  end)

  it("has exact shares in the long run with any weights", function()
    local weights = { 1, 7919, 104729, 3, 999983, 2, 50021, 1000000, 342 } -- 2163 thousands, so that a deck ends there
    local made, sum = balance.split(backends_of(unpack(weights)), generator(3)), 0
    for _, weight in ipairs(weights) do sum = sum + weight end
    assert.same(weights, count_of(made, sum, #weights))
  end)

  it("is never more than a deck away from them", function()
    local made = balance.split(backends_of(1, 9999), generator(4))
    local seen = 0
    for n = 1, 50000 do
      if made:pick() == 1 then seen = seen + 1 end
      assert.is_true(math.abs(seen - n / 10000) <= 1)
    end
  end)

  it("shows the same shares to those who see each n-th request only", function()
    for _, weights in ipairs { { 1, 1 }, { 90, 10 }, { 1, 2 }, { 5, 3, 2 }, { 3333, 6667 } } do
      local sum = 0
      for _, weight in ipairs(weights) do sum = sum + weight end
      for step = 1, 13 do
        local made = balance.split(backends_of(unpack(weights)), generator(step))
        local counts = count_of(made, 20000 * step, #weights, step)
        for i, weight in ipairs(weights) do
          local share = weight / sum
          local bound = 5 * math.sqrt(20000 * share * (1 - share)) -- five deviations of independent draws
          assert.is_true(math.abs(counts[i] - 20000 * share) < bound)
        end
      end
    end
  end)

  it("goes another way each time", function()
    local orders = {}
    local made = balance.split(backends_of(1, 1, 1), generator(5))
    for _ = 1, 200 do orders[made:pick() .. made:pick() .. made:pick()] = true end
    for _, order in ipairs { "123", "132", "213", "231", "312", "321" } do assert.is_true(orders[order]) end
  end)

  it("holds at the ends of the range", function()
    for _, weights in ipairs { { 0, 1, 1, 0 }, { 0, 1000, 999, 0 } } do
      for _, number in ipairs { 0, 1 - 2 ^ -53 } do
        local made = balance.split(backends_of(unpack(weights)), function() return number end)
        assert.same(weights, count_of(made, weights[2] + weights[3], 4))
      end
    end
  end)

  it("draws nothing for a single backend", function()
    assert.equal(1, balance.split({ { weight = 5 } }, error):pick())
  end)

  describe("over time", function()
    local clock

    local function made(conf, list, watch)
      return balance.new({ endpoints = list, balance = conf, subsets = {} }, { random = math.random,
        active = function() return 0 end, now = function() return clock end, health = watch })
    end

    before_each(function() clock = 1000 end)

    it("warms up what is new", function()
      local list = endpoints(1, 1)
      list[2].since = 1000
      local pick = made({ kind = "round_robin", warmup = { duration = 1000, minimum_percent = 10, aggression = 1 } },
        list):picker()
      local function of_new(n)
        return count(n, function() return pick:pick() end)["10.0.0.2:80"]
      end
      assert.equal(10, of_new(110))
      clock = 1500
      assert.near(100, of_new(300), 2)
      clock = 2000
      assert.equal(50, of_new(100))
      assert.is_false(pick.due)
    end)

    -- Endpoints that are out, by address, until when.
    local function watch_of(out, least)
      return { least = least or 0, out_until = function(_, endpoint, now)
        local time = out[endpoint.address]
        return time and now < time and time or nil
      end }
    end

    it("leaves out who is out, until then", function()
      local pick = made({ kind = "random" }, endpoints(1, 1), watch_of { ["10.0.0.1:80"] = 1500 }):picker()
      assert.same({ ["10.0.0.2:80"] = 40 }, count(40, function() return pick:pick() end))
      clock = 1500
      assert.is_true(count(80, function() return pick:pick() end)["10.0.0.1:80"] > 5)
    end)

    it("uses all when too few are left, or none", function()
      local out = { ["10.0.0.1:80"] = 1500, ["10.0.0.2:80"] = 1500 }
      assert.is_nil(made({ kind = "random" }, endpoints(1, 1), watch_of(out)):picker():pick())
      assert.truthy(made({ kind = "random" }, endpoints(1, 1), watch_of(out, 50)):picker():pick())
    end)

    it("gives the next priority what the healthy ones of the first are not trusted to take", function()
      local list = endpoints(1, 1, 1, 1)
      list[3].priority, list[4].priority = 1, 1
      local pick = made({ kind = "random" }, list, watch_of {}):picker()
      local function of_first(n)
        local counts = count(n, function() return pick:pick() end)
        return (counts["10.0.0.1:80"] or 0) + (counts["10.0.0.2:80"] or 0)
      end
      assert.equal(100, of_first(100))
      pick = made({ kind = "random" }, list, watch_of { ["10.0.0.1:80"] = 9000 }):picker()
      assert.near(7000, of_first(10000), 250) -- 1.4 * 1 / 2
      pick = made({ kind = "random" }, list, watch_of { ["10.0.0.1:80"] = 9000, ["10.0.0.2:80"] = 9000 }):picker()
      assert.equal(0, of_first(100))
    end)

    describe("where too few are well,", function()
      local A, B, C, D = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"

      -- How many of `n` requests go to each of four, the last two (or as many as said) of priority 1.
      local function shares(n, least, out, lower)
        local list, until_ = endpoints(1, 1, 1, 1), {}
        for i = (lower or 2) + 1, 4 do list[i].priority = 1 end
        for _, address in ipairs(out) do until_[address] = 9000 end
        local pick = made({ kind = "random" }, list, watch_of(until_, least)):picker()
        return count(n, function() return pick:pick() end)
      end

      it("the next priority still takes it all, if it can", function()
        local counts = shares(400, 60, { A, B })
        assert.same({ 0, 0 }, { counts[A] or 0, counts[B] or 0 })
      end)

      it("nobody panics as long as the well ones are trusted to take it all", function()
        assert.is_nil(shares(400, 80, { A }, 4)[A]) -- 3 of 4, by 1.4
      end)

      it("a priority with too few uses all of its own", function()
        local counts = shares(400, 30, { A, B, C }) -- 0 of 2, 1 of 2
        assert.equal(400, counts[D])
        counts = shares(400, 60, { A, B, C })
        assert.is_true(counts[A] > 50 and counts[B] > 50 and counts[C] > 50 and counts[D] > 50)
        counts = shares(400, 60, { A, B, C, D }, 1)
        assert.near(100, counts[A], 60) -- as large a part as it is
      end)
    end)
  end)
end)
