require "spec.support.init"
local fake_abi = require "spec.support.fake_abi"
local image = require "moongate.model.image"
local json = require "moongate.json"
local pause = require "moongate.pause"
local uses = require "moongate.model.uses"

local function through(value)
  return image.decode(assert(image.encode(value)))
end

describe("the image of a model", function()
  it("is the same data again", function()
    local model = {
      texts = { "", "a", ("x"):rep(300), "\0\1\255" }, yes = true, no = false, none = json.null, empty = {},
      numbers = { 0, 1, 127, 128, 16383, 16384, 2097152, 2 ^ 31, 2 ^ 39, 2 ^ 53, -1, 0.1, -2.5e300, math.huge },
      [7] = "by number", [-1] = "below", [1.5] = "between",
    }
    assert.same(model, through(model))
  end)

  it("keeps lists with holes, and keys in any order", function()
    local list = { 1, nil, 3 }
    list[10] = "ten"
    assert.same(list, through(list))
  end)

  it("shares what was shared", function()
    local use = { name = "rbac" }
    local model = through { first = { use }, second = { use }, own = { { name = "rbac" } } }
    assert.equal(model.first[1], model.second[1])
    assert.not_equal(model.first[1], model.own[1])
  end)

  it("takes thousands of texts and tables", function()
    local routes = {}
    for i = 1, 5000 do routes[i] = { name = "route-" .. i, hosts = { "host-" .. i }, weight = i } end
    assert.same(routes, through(routes))
  end)

  it("says what is no data, and where", function()
    local function why(model)
      local bytes, said = image.encode(model)
      assert.is_nil(bytes)
      return said
    end
    assert.equal("routes.1.conf.run: expected data, got a function", why { routes = { { conf = { run = print } } } })
    assert.equal("a.b: expected data, got an object", why { a = { b = setmetatable({}, {}) } })
    assert.equal("a.true: expected data, got a key that is a boolean", why { a = { [true] = 1 } })
    local loop = { name = "loop" }
    loop.below = { loop }
    assert.equal("below.1: expected data, got a table that it stands in", why(loop))
  end)

  it("keeps whatever is data, and refuses it when it is cut", function()
    math.randomseed(7)
    local texts = { "name", "routes", "", "a\0b", ("long"):rep(100) }
    local whole -- tables that are, to be shared
    local function value(depth)
      local kind = math.random(7)
      if kind == 1 then return texts[math.random(#texts)] end
      if kind == 2 then return math.random(300) - 100 end
      if kind == 3 then return math.random() * 2 ^ math.random(100) end
      if kind == 4 then return math.random(2) == 1 end
      if kind == 5 then return json.null end
      if kind == 6 and #whole > 0 then return whole[math.random(#whole)] end
      local t = {}
      if depth == 0 then return t end
      for i = 1, math.random(0, 6) do t[i] = value(depth - 1) end
      for _ = 1, math.random(0, 6) do
        t[math.random(2) == 1 and texts[math.random(#texts)] or math.random(20)] = value(depth - 1)
      end
      whole[#whole + 1] = t
      return t
    end
    local function tables(t, seen)
      if type(t) ~= "table" or seen[t] then return 0 end
      seen[t] = true
      local n = 1
      for _, v in pairs(t) do n = n + tables(v, seen) end
      return n
    end
    for _ = 1, 100 do
      whole = {}
      local model = { value(4), value(3) }
      local read = through(model)
      assert.same(model, read)
      assert.equal(tables(model, {}), tables(read, {}))
      local bytes = image.encode(model)
      assert.is_false((pcall(image.decode, bytes:sub(1, math.random(#bytes) - 1))))
    end
  end)

  it("is read in as many pieces as there is need for", function()
    local routes = {}
    for i = 1, 1500 do routes[i] = { name = "route-" .. i } end
    local bytes, pieces, model = assert(image.encode(routes)), 0, nil
    local work = coroutine.create(function() model = image.decode(bytes) end)
    fake_abi.monotonic_ns = 1
    repeat
      pieces = pieces + 1
      assert(pause.piece(work, 0))
    until coroutine.status(work) == "dead"
    assert.same(routes, model)
    assert.is_true(pieces > 70, tostring(pieces)) -- one for 64 texts, tables or values
    pause.here() -- nothing runs in pieces
  end)
end)

describe("the uses of policies in a model", function()
  local function model()
    local shared = { name = "metrics" }
    return { policies = { shared }, listeners = { { policies = { { name = "respond" } } }, {} },
      routes = { { policies = { shared }, backends = { { policies = { { name = "headers" } } }, {} } } } }
  end

  it("are found wherever they stand", function()
    local names, owners, one = {}, {}, model()
    uses.each(one, function(use, owner)
      names[#names + 1], owners[#owners + 1] = use.name, owner
    end)
    assert.same({ "metrics", "respond", "metrics", "headers" }, names)
    assert.same({ one, one.listeners[1], one.routes[1], one.routes[1] }, owners)
  end)

  it("hold no more than data when they are unbound, and their modules again when they are bound", function()
    local one = model()
    one.policies[1].text_at = print
    uses.bind_all(one)
    assert.is_function(one.policies[1].policy.log)
    assert.equal(one.policies[1].policy, one.routes[1].policies[1].policy)
    uses.unbind_all(one)
    local read = through(one)
    assert.same(one, read)
    uses.bind_all(read)
    assert.is_function(read.routes[1].backends[1].policies[1].policy.request)
  end)

  it("say where a policy stands that is not to be had", function()
    local one = { routes = { { at = "g.lua:3", policies = { { name = "nowhere" } } } } }
    local ok, why = pcall(uses.bind_all, one)
    assert.is_false(ok)
    assert.equal("g.lua:3: unknown policy 'nowhere'", why)
  end)
end)
