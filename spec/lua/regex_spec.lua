require "spec.support.init"
local regex = require "moongate.regex"

local function re(pattern) return assert(regex.compile(pattern)) end

describe("regex", function()
  it("matches the whole text, finds a part", function()
    assert.is_true(re("/v[12]/.*"):match "/v1/a")
    assert.is_false(re("/v[12]/.*"):match "x/v1/a")
    assert.is_false(re("/v[12]"):match "/v1/a")
    assert.is_true(re("/v[12]"):find "x/v1/a")
    assert.is_true(re("a|ab"):match "ab")
    assert.is_true(re("(?i)amy"):match "AMY")
    assert.is_true(re(""):match "")
  end)

  it("replaces all matches and numbers groups", function()
    local name, count = re("/([a-z]+)/([0-9]+)"):replace("/a/1/b/22", [[/\2-\1]])
    assert.equal("/1-a/22-b", name)
    assert.equal(2, count)
    assert.equal("/x", re("y"):replace("/x", "z"))
    assert.equal("[a][b]", (re("[ab]"):replace("ab", [=[[\0]]=])))
    assert.equal("", (re(".*"):replace("abc", "")))
  end)

  it("says what is wrong with a rewrite", function()
    assert.is_nil(re("(a)"):rewrite_error [[\1]])
    assert.truthy(re("(a)"):rewrite_error [[\2]])
    assert.truthy(re("(a)"):rewrite_error [[\x]])
    assert.has_error(function() re("(a)"):replace("a", [[\2]]) end)
  end)

  it("refuses what is no pattern of RE2, and says why", function()
    local cases = {
      ["("] = "missing ): (", ["(?=a)"] = "invalid perl operator: (?=", ["(?!a)"] = "invalid perl operator: (?!",
      ["(?<=a)b"] = "invalid perl operator: (?<", [ [[(a)\1]] ] = [[invalid escape sequence: \1]],
      ["*"] = "no argument for repetition operator: *", ["[z-a]"] = "invalid character class range: z-a",
      ["a{1001}"] = "invalid repetition size: {1001}", ["(a{99}){99}"] = "invalid repetition size: {99}",
      ["(\\pL\\pN){900}"] = "pattern too large - compile failed",
    }
    for pattern, message in pairs(cases) do
      local compiled, why = regex.compile(pattern)
      assert.is_nil(compiled, pattern)
      assert.equal(message, why)
    end
  end)

  -- Each takes exponential time, or a high power of the length, where matching goes back on its steps.
  it("takes linear time", function()
    local text = ("a"):rep(1000000) .. "!"
    for _, pattern in ipairs { "(a+)+$", "(a|aa)+", "(a|a?)+", "(.*)*b", "(a*)*(a*)*b", "((a?){30}){30}a*" } do
      assert.is_false(re(pattern):match(text), pattern)
    end
  end)

  it("compiles a pattern once while somebody holds it", function()
    local one = re "shared+"
    assert.equal(one, re "shared+")
  end)
end)
