require "spec.support.init"
local json_edit = require "moongate.json_edit"

local function set(text, path, value) return json_edit.set(text, assert(json_edit.path(path)), value or "0") end

describe("json_edit", function()
  it("reads paths", function()
    assert.same({ "a", "b", 0 }, json_edit.path "$.a.b[0]")
    assert.same({ "a", "x.y", "it's" }, json_edit.path "a['x.y'][\"it's\"]")
    assert.same({}, json_edit.path "$")
  end)

  it("changes what the path means, and no other byte", function()
    assert.same({ '{ "a" : 0 ,"b":1.50e+02}', 1 }, { set('{ "a" : {"a":[1,"}"]} ,"b":1.50e+02}', "a") })
    assert.equal('{"a":{"b":[1,"x",0]}}', (set('{"a":{"b":[1,"x",{"c":"]"}]}}', "$.a.b[2]")))
    assert.equal('[{"p":0,"q":1},{"q":2,"p":0},3]', (set('[{"p":1,"q":1},{"q":2},3]', "[*].p")))
    assert.equal('{"a":0,"b":0}', (set('{"a":1,"b":[2]}', "*")))
    assert.equal('{"n":12345678901234567890,"a":"x"}', (set('{"n":12345678901234567890,"a":1}', "a", '"x"')))
    assert.equal(" 0\n", (set(' "all"\n', "$")))
    assert.equal('{"\\u0061":0,"b\\"":1}', (set('{"\\u0061":5,"b\\"":1}', "a")))
    assert.equal('{"a":0,"a":0}', (set('{"a":1,"a":2}', "a"))) -- whichever a reader takes
    assert.equal('{"":{"x y":0}}', (set('{"":{"x y":1}}', "$['']['x y']")))
  end)

  it("adds the last name where it is not there, and nothing else", function()
    assert.equal('{"a":1,"b":0}', (set('{"a":1}', "b")))
    assert.equal('{"b":0}', (set("{}", "b")))
    assert.equal('{ "b\\"c":0}', (set("{ }", "$['b\"c']")))
    for _, case in ipairs { { "{}", "a.b" }, { "[1]", "[1]" }, { "[1]", "a" }, { "5", "a" }, { '"{"', "a" }, { "[]",
      "[*].a" } } do
      assert.same({ case[1], 0 }, { set(case[1], case[2]) })
    end
  end)

  it("refuses what is no JSON, and paths that are none", function()
    for _, text in ipairs { "", "{", '{"a":1', '{"a":1}x', '{"a"}', "[1,]", "nul", "<html>", "[]\0", '"\\x"',
      ("["):rep(5000) } do
      assert.is_nil((set(text, "a")), text)
    end
    for _, path in ipairs { "a..b", "a[", "a[x]", "a[1", "a['b]", "a b]", "[-1]", "a." } do
      assert.is_nil((json_edit.path(path)), path)
    end
  end)
end)
