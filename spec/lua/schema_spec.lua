local schema = require "moongate.schema"

local function check(fields, value)
  local found = {}
  local result = schema.check(fields, value, {}, function(path, message)
    found[#found + 1] = table.concat(path, ".") .. ": " .. message
  end)
  table.sort(found)
  return result, found
end

describe("schema.check", function()
  it("fills defaults and converts units", function()
    local fields = {
      { "pause", type = "duration", default = "5s" }, { "size", type = "size" },
      { "tags", type = "list", default = {} },
    }
    local value, found = check(fields, { size = "1KiB" })
    assert.same({}, found)
    assert.same({ pause = 5000, size = 1024, tags = {} }, value)
    assert.are_not.equal(value.tags, check(fields, {}).tags) -- a default is never shared
  end)

  it("reports every mistake at once, with its path", function()
    local _, found = check({
      { "count", type = "integer", min = 1, max = 3 }, { "mode", type = "string", one_of = { "allow", "deny" } },
      { "rules", type = "list",
        items = { type = "record", fields = { { "path", type = "string", required = true } } } },
      { "name", type = "string", required = true }, { "id", type = "string", pattern = "^%l+$" },
    }, { count = 4, mode = "alow", rules = { { path = 3 }, {}, "x" }, metods = 1, id = "A" })
    assert.same({
      ": 'name' is missing; expected a string",
      "count: expected a value of at most 3, got 4",
      'id: expected a string like the pattern ^%l+$, got the string "A"',
      "metods: unknown key 'metods'; known are 'count', 'id', 'mode', 'name', 'rules'",
      "mode: expected one of 'allow', 'deny', got the string \"alow\"; did you mean 'allow'?",
      "rules.1.path: expected a string, got the number 3",
      "rules.2: 'path' is missing; expected a string",
      'rules.3: expected a table of settings, got the string "x"',
    }, found)
  end)

  it("takes any of several types", function()
    local fields = { { "v", type = { "string", "list", "record" }, items = { type = "string" },
                       fields = { { "a", type = "boolean" } } } }
    assert.same({ v = "x" }, (check(fields, { v = "x" })))
    assert.same({ v = { "x", "y" } }, (check(fields, { v = { "x", "y" } })))
    assert.same({ v = { a = false } }, (check(fields, { v = { a = false } })))
    local _, found = check(fields, { v = 3 })
    assert.same({ "v: expected a string or a list or a table of settings, got the number 3" }, found)
  end)

  it("refuses numbers that are none, lists with holes and maps with indexes", function()
    local _, found = check({ { "n", type = "number" }, { "l", type = "list" }, { "m", type = "map" } },
      { n = 0 / 0, l = { 1, nil, 3, x = 1 }, m = { "x" } })
    assert.equal(3, #found)
  end)
end)

describe("schema.validate", function()
  it("accepts a well-formed list of fields", function()
    assert.is_true(schema.validate { { "a", type = "list", items = { type = { "string", "duration" } }, doc = "A." } })
  end)

  it("says what is malformed", function()
    local function reason(fields) return (select(2, schema.validate(fields))) end
    assert.equal("schema: expected a list of fields", reason(3))
    assert.equal("a: unknown type the string \"strin\"; did you mean 'string'?", reason { { "a", type = "strin" } })
    assert.equal('a: pattern is no pattern of Lua\'s: "["', reason { { "a", type = "string", pattern = "[" } })
    assert.equal("a: unknown field key 'requird'", reason { { "a", type = "string", requird = true } })
    assert.equal("a: type is missing", reason { { "a" } })
    assert.equal("schema: field 'a' stands twice", reason { { "a", type = "any" }, { "a", type = "any" } })
    assert.equal("a: a record needs fields", reason { { "a", type = "record" } })
    assert.equal('a: its default: expected an integer, got the string "x"',
      reason { { "a", type = "integer", default = "x" } })
    assert.equal("a: one_of: expected texts, numbers or booleans", reason { { "a", type = "any", one_of = { {} } } })
    assert.matches("^a%.items: unknown type", reason { { "a", type = "list", items = { type = "x" } } })
  end)
end)

describe("schema.validate of what holds itself", function()
  it("says so", function()
    local record, list, map, default = { "a", type = "record" }, { "a", type = "list" }, { "a", type = "map" }, {}
    record.fields, list.items, map.values, default.a = { { "b", type = "any" }, record }, list, map, { default }
    for _, field in ipairs { record, list, map } do
      local ok, why = schema.validate { field }
      assert.is_nil(ok)
      assert.equal("a: nested more than 32 deep; does the schema hold itself?", why)
    end
    assert.equal("a: its default: a table that holds itself",
      (select(2, schema.validate { { "a", type = "map", default = default } })))
  end)
end)

describe("schema.describe", function()
  it("writes a line a field, nested ones indented", function()
    assert.same({
      "rules (list of record; required): Rules.",
      "  path (string): A path.",
      "count (integer; default 1; at least 1)",
    }, schema.describe {
      { "rules", type = "list", required = true, doc = "Rules.",
        items = { type = "record", fields = { { "path", type = "string", doc = "A path." } } } },
      { "count", type = "integer", min = 1, default = 1 },
    })
  end)
end)
