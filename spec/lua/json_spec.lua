require "spec.support.init"
local json = require "moongate.json"

describe("json", function()
  it("writes objects with sorted keys, lists, and marked empty lists", function()
    assert.equal('{"a":[1,2.5,"x"],"b":{"c":true},"d":[],"e":{},"f":null}',
      json.encode { b = { c = true }, a = { 1, 2.5, "x" }, d = json.array {}, e = {}, f = json.null })
  end)
  it("writes more names of fields than it remembers", function()
    local many, texts = {}, {}
    for i = 1, 3000 do
      many["k" .. i], texts[i] = i, ('"k%d":%d'):format(i, i)
    end
    table.sort(texts, function(a, b) return a:match '"(.-)"' < b:match '"(.-)"' end)
    assert.equal("{" .. table.concat(texts, ",") .. "}", json.encode(many))
  end)
  it("keeps long names no longer than they are written", function()
    local before = collectgarbage "count"
    for i = 1, 500 do assert(json.encode { [("%d"):format(i) .. ("x"):rep(100000)] = 1 }) end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage "count" - before < 10000) -- KiB; they have 50 MB
  end)
  it("escapes texts", function() assert.equal([["a\"\\\n\u0001"]], json.encode('a"\\\n\1')) end)
  it("reads what it wrote", function()
    local value = { name = "é", list = { 1, { 2 } }, on = false }
    assert.same(value, json.decode(json.encode(value)))
    assert.equal(json.null, json.decode("[null]")[1])
  end)
  it("takes no number by a name or of another base", function()
    for _, bad in ipairs { "nan", "NaN", "-nan", "inf", "-Infinity", "0x10", "01", "-01", "+1", ".5" } do
      local value, why = json.decode("[" .. bad .. "]")
      assert.is_nil(value, bad)
      assert.is_string(why)
    end
    for _, good in ipairs { "0", "-0", "0.5", "-0.5e-3", "10E+2" } do
      assert.equal(tonumber(good), json.decode("[" .. good .. "]")[1])
    end
  end)
  it("takes numbers without digits at the point, and those too large as infinite", function()
    assert.same({ 1, -0.5, 1 / 0 }, json.decode "[1., -.5, 1e400]")
  end)
  it("writes numbers so that they are read as the same", function()
    for text, value in pairs { ["9007199254740991"] = 2 ^ 53 - 1, ["-1700000000000001"] = -1700000000000001,
      ["123456789012345"] = 123456789012345, ["0.30000000000000004"] = 0.1 + 0.2, ["0.1"] = 0.1, ["-7"] = -7,
      ["0.33333333333333331"] = 1 / 3, ["1e+300"] = 1e300, ["4.9406564584125e-324"] = 5e-324,
      ["1.2345678901234567e+19"] = 12345678901234567890 } do
      assert.equal(text, json.encode(value))
      assert.equal(value, json.decode("[" .. text .. "]")[1])
    end
  end)
  it("takes no byte of zero, and nothing behind one", function()
    for _, text in ipairs { "[1]\0", "[1]\0]", "\0", '"a\0b"', "[1,\0 2]" } do
      local value, why = json.decode(text)
      assert.is_nil(value)
      assert.matches("zero", why)
    end
  end)
  it("takes nothing that is no text", function()
    for _, given in ipairs { 5, true, {}, print } do assert.is_nil((json.decode(given))) end
    assert.same({ nil, "expected a text, got a nil" }, { json.decode(nil) })
  end)
  it("says what is wrong", function()
    local value, why = json.decode("{")
    assert.is_nil(value)
    assert.is_string(why)
    local loop = {}
    loop[1] = loop
    local gap = setmetatable({ 1, 2, nil, 4, x = 1 }, { __index = function() return json.encode { "other" } end })
    for _, bad in ipairs { loop, { print }, { 1, a = 2 }, gap, 0 / 0, 1 / 0 } do
      local text, reason = json.encode(bad)
      assert.is_nil(text)
      assert.truthy(reason:find("^json: "))
      assert.equal('{"a":1}', json.encode { a = 1 })
    end
  end)
end)
