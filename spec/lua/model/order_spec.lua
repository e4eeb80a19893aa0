local order = require "moongate.model.order"

local function names(routes)
  local list = {}
  for i, route in ipairs(routes) do list[i] = route.name end
  return table.concat(list, " ")
end

local function route(name, ...)
  return { name = name, matches = { ... } }
end

describe("order.rank", function()
  local function written()
    return {
      route("any"), route("get", { method = "GET" }), route("short", { path = { prefix = "/a" } }),
      route("header", { headers = { {} } }), route("headers", { headers = { {}, {} } }),
      route("query", { query = { {} } }),
      route("long", { path = { starts_with = "/abc" } }), route("exact", { path = { exact = "/a" } }),
      route("long get", { path = { prefix = "/abc" }, method = "GET" }), route("any again"),
    }
  end

  it("puts the most specific first", function()
    assert.equal("exact long get long short get headers header query any any again", names(order.rank(written(), true)))
  end)

  it("puts regular expressions behind prefixes and before any path", function()
    local routes = { route("root", { path = { prefix = "/" } }), route("get", { method = "GET" }),
      route("short", { path = { regex = "/.*" } }), route("authority", { authority = { exact = "a" } }),
      route("long", { path = { regex = "/[ab]+/.*" } }), route("prefix", { path = { prefix = "/a" } }),
      route("exact", { path = { exact = "/A", ignore_case = true } }) }
    assert.equal("exact prefix long short get authority root", names(order.rank(routes, true)))
  end)

  it("keeps the order written when told so", function()
    assert.equal(names(written()), names(order.rank(written(), false)))
  end)

  it("ranks each match on its own", function()
    local two = route("two", { path = { prefix = "/" } }, { path = { exact = "/x" } })
    local one = route("one", { path = { prefix = "/x" } })
    order.rank({ two, one }, true)
    assert.equal(1, two.matches[2].rank)
    assert.equal(2, one.matches[1].rank)
    assert.equal(3, two.matches[1].rank)
  end)
end)
