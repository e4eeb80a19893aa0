local positions = require "moongate.config.positions"

local SOURCE = [==[
-- a comment with return { a = 1 }
local web = {
  address = "x",
}
local function ignored() return { routes = 1 } end
local text = [[
return { routes = { 1 } }
]]
return {
  listeners = { web = web,
    ["b-c"] = { address = "y" } },
  routes = {
    { name = "one", policies = {
        "first",
        { "second", run = function(x) if x then return { 1, 2 } end end,
          percent = 3 } },
    };
    { name = "t" .. "wo", hosts = { os.getenv("A", "B"), "b" },
      [7] = true },
    big and { name = "x" } or
      nil,
    { name = "four" },
  },
}
]==]

describe("positions", function()
  local root = positions.parse(SOURCE)
  local function line(...) return positions.line(root, { ... }) end

  it("finds keys and items", function()
    assert.equal(9, line())
    assert.equal(12, line("routes"))
    assert.equal(13, line("routes", 1))
    assert.equal(14, line("routes", 1, "policies", 1))
    assert.equal(15, line("routes", 1, "policies", 2))
    assert.equal(16, line("routes", 1, "policies", 2, "percent"))
    assert.equal(19, line("routes", 2, 7))
    assert.equal(22, line("routes", 4, "name"))
    assert.equal(11, line("listeners", "b-c", "address"))
  end)

  it("follows a local table", function()
    assert.equal(10, line("listeners", "web"))
    assert.equal(3, line("listeners", "web", "address"))
    assert.equal(2, positions.line(positions.parse("local t = {\n a = 1 }\nreturn t"), { "a" }))
  end)

  it("falls back to the nearest ancestor", function()
    assert.equal(13, line("routes", 1, "timeout"))
    assert.equal(20, line("routes", 3, "name"))
    assert.equal(9, line("services", "x"))
  end)

  it("knows where a text begins", function()
    local function first(source) return select(2, positions.line(positions.parse(source), { "a" })) end
    assert.equal(1, first "return { a = 'x' }")
    assert.equal(2, first "return {\n a = [[x\ny]] }")
    assert.equal(3, first "return {\n a = [==[\nx]==] }")
    assert.equal(4, first "return {\n a =\n [[\r\nx]] }")
    assert.is_nil(first "return { a = { 1 } }")
  end)

  it("never fails", function()
    for i = 1, #SOURCE do positions.line(positions.parse(SOURCE:sub(1, i)), { "routes", 1 }) end
    assert.equal(1, positions.line(positions.parse(""), { "a" }))
    assert.equal(1, positions.line(positions.parse("return"), { "a" }))
  end)
end)
