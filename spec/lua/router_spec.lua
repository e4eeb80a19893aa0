require "spec.support.init"
local order = require "moongate.model.order"
local router = require "moongate.router"

local headers_mt = { __index = { get = function(self, name) return rawget(self, name) end } }

local function request(host, path, more)
  more = more or {}
  local params = more.query or {}
  return {
    host = host, path = path, method = more.method or "GET", authority = more.authority or host,
    scheme = more.scheme or "http", principal = more.principal, headers = setmetatable(more.headers or {}, headers_mt),
    param = function(_, name) return params[name] end,
  }
end

local function new(routes, options)
  options = options or {}
  routes = order.rank(routes, options.by_specificity ~= false)
  return router.new { listeners = options.listeners or { { name = "web", strict_hosts = options.strict } },
                      routes = routes }
end

local function name(made, ...)
  local route = made:match(0, request(...))
  return route and route.name
end

local function route(title, hosts, ...)
  return { name = title, hosts = hosts, matches = select("#", ...) > 0 and { ... } or nil }
end

describe("router hosts", function()
  local routes = function()
    return {
      route("exact", { "shop.example" }, { path = { prefix = "/a" } }), route("wild", { "*.example" }),
      route("deep", { "*.shop.example" }), route("two", { "one.test", "two.test" }),
    }
  end

  it("prefers the exact host, then the longest wildcard, then any", function()
    local made = new(routes())
    assert.equal("exact", name(made, "shop.example", "/a"))
    assert.equal("deep", name(made, "x.shop.example", "/"))
    assert.equal("deep", name(made, "y.x.shop.example", "/"))
    assert.equal("wild", name(made, "other.example", "/"))
    assert.equal("two", name(made, "two.test", "/"))
    assert.is_nil(name(made, "example", "/"))
    assert.is_nil(name(made, ".example", "/"))
  end)

  it("falls back to a less specific host, unless told not to", function()
    assert.equal("wild", name(new(routes()), "shop.example", "/b"))
    assert.is_nil(name(new(routes(), { strict = true }), "shop.example", "/b"))
    assert.equal("exact", name(new(routes(), { strict = true }), "shop.example", "/a"))
  end)

  it("takes routes without hosts for any", function()
    local made = new {
      route("shop", { "shop.example" }, { path = { prefix = "/a" } }), route("any"), route("star", { "*" }),
    }
    assert.equal("shop", name(made, "shop.example", "/a/b"))
    assert.equal("any", name(made, "shop.example", "/b"))
    assert.equal("any", name(made, "x.test", "/"))
  end)
end)

describe("router paths", function()
  it("takes prefixes element by element", function()
    local made = new {
      route("abc", nil, { path = { prefix = "/abc" } }), route("slash", nil, { path = { prefix = "/x/" } }),
    }
    for _, path in ipairs { "/abc", "/abc/", "/abc/d" } do assert.equal("abc", name(made, "h", path), path) end
    for _, path in ipairs { "/x", "/x/", "/x/y" } do assert.equal("slash", name(made, "h", path), path) end
    for _, path in ipairs { "/abcd", "/ab", "/", "/xy", "/ABC" } do assert.is_nil(name(made, "h", path), path) end
  end)

  it("takes starts_with character by character", function()
    local made = new { route("abc", nil, { path = { starts_with = "/abc" } }) }
    assert.equal("abc", name(made, "h", "/abcd"))
    assert.equal("abc", name(made, "h", "/abc"))
    assert.is_nil(name(made, "h", "/ab"))
  end)

  it("prefers exact, then longer, when sorted by specificity", function()
    local made = new {
      route("root", nil, { path = { prefix = "/" } }), route("a", nil, { path = { prefix = "/a" } }),
      route("ab", nil, { path = { prefix = "/a/b" } }), route("exact", nil, { path = { exact = "/a" } }),
    }
    assert.equal("exact", name(made, "h", "/a"))
    assert.equal("a", name(made, "h", "/a/"))
    assert.equal("ab", name(made, "h", "/a/b/c"))
    assert.equal("root", name(made, "h", "/b"))
  end)

  it("keeps the order written when it counts", function()
    local made = new({
      route("short", nil, { path = { prefix = "/a" } }), route("exact", nil, { path = { exact = "/a/b" } }),
      route("all"),
    }, { by_specificity = false })
    assert.equal("short", name(made, "h", "/a/b"))
    assert.equal("all", name(made, "h", "/c"))
  end)
end)

describe("router conditions", function()
  it("looks at method, headers and query", function()
    local made = new {
      route("post", nil, { method = "POST" }),
      route("amy", nil, { headers = { { name = "user", exact = "Amy" } } }),
      route("pre", nil, { headers = { { name = "agent", prefix = "curl/" } } }),
      route("suf", nil, { headers = { { name = "agent", suffix = "bot" } } }),
      route("has", nil, { query = { { name = "debug", present = true } } }),
      route("page", nil, { query = { { name = "page", exact = "2" } } }),
    }
    assert.equal("post", name(made, "h", "/", { method = "POST", headers = { user = "Amy" } }))
    assert.equal("amy", name(made, "h", "/", { headers = { user = "Amy" } }))
    assert.is_nil(name(made, "h", "/", { headers = { user = "amy" } }))
    assert.equal("pre", name(made, "h", "/", { headers = { agent = "curl/8" } }))
    assert.equal("suf", name(made, "h", "/", { headers = { agent = "abot" } }))
    assert.is_nil(name(made, "h", "/", { headers = { agent = "ot" } }))
    assert.equal("has", name(made, "h", "/", { query = { debug = "" } }))
    assert.equal("page", name(made, "h", "/", { query = { page = "2" } }))
    assert.is_nil(name(made, "h", "/", { query = { page = "3" } }))
  end)

  it("wants all of one match and any of several", function()
    local made = new {
      route("r", nil, { method = "GET", headers = { { name = "a", exact = "1" }, { name = "b", present = true } } },
        { path = { exact = "/x" } }),
    }
    assert.is_nil(name(made, "h", "/", { headers = { a = "1" } }))
    assert.equal("r", name(made, "h", "/", { headers = { a = "1", b = "" } }))
    assert.equal("r", name(made, "h", "/x"))
  end)

  it("inverts: a missing header satisfies it", function()
    local made = new { route("r", nil, { headers = { { name = "a", exact = "1", invert = true } } }) }
    assert.is_nil(name(made, "h", "/", { headers = { a = "1" } }))
    assert.equal("r", name(made, "h", "/", { headers = { a = "2" } }))
    assert.equal("r", name(made, "h", "/"))
  end)

  it("keeps listeners apart", function()
    local web = route("web")
    web.listeners = { "web" }
    local made = new({ web, route("all", nil, { path = { prefix = "/all" } }) },
      { listeners = { { name = "mesh" }, { name = "web" } } })
    assert.is_nil(made:match(0, request("h", "/")))
    assert.equal("web", made:match(1, request("h", "/")).name)
    assert.equal("all", made:match(0, request("h", "/all")).name)
  end)

  it("reads nothing from a request when there is one route for all", function()
    local made = new { route("only") }
    assert.equal("only", made:match(0, setmetatable({}, { __index = function() error("read") end })).name)
  end)
end)

describe("router rules", function()
  local function takes(match, path, more)
    return new({ route("r", nil, match) }):match(0, request("h", path or "/", more)) ~= nil
  end

  it("match regular expressions with the whole value", function()
    local match = { path = { regex = "/v[0-9]+/.*" } }
    assert.is_true(takes(match, "/v12/a"))
    assert.is_false(takes(match, "/x/v12/a"))
    assert.is_false(takes({ path = { regex = "/a" } }, "/ab"))
    assert.is_true(takes({ headers = { { name = "user", regex = "Am." } } }, "/", { headers = { user = "Amy" } }))
    assert.is_false(takes({ headers = { { name = "user", regex = "Am." } } }, "/", { headers = { user = "Ammy" } }))
    assert.is_false(takes { headers = { { name = "user", regex = ".*" } } })
    assert.is_true(takes({ query = { { name = "n", regex = "[0-9]*" } } }, "/", { query = { n = "" } }))
  end)

  it("fold the case of a path where told so", function()
    assert.is_true(takes({ path = { exact = "/Ab", ignore_case = true } }, "/aB"))
    assert.is_false(takes({ path = { exact = "/Ab", ignore_case = true } }, "/aBc"))
    assert.is_true(takes({ path = { starts_with = "/Ab", ignore_case = true } }, "/aBc"))
    assert.is_true(takes({ path = { prefix = "/Ab/", ignore_case = true } }, "/aB/c"))
    assert.is_false(takes({ path = { prefix = "/Ab", ignore_case = true } }, "/aBc"))
    assert.is_false(takes({ path = { exact = "/Ab" } }, "/aB"))
  end)

  it("ask for method, authority, scheme and principal", function()
    assert.is_true(takes({ method = { prefix = "P" } }, "/", { method = "PUT" }))
    assert.is_false(takes { method = { regex = "P.*" } })
    assert.is_false(takes { method = { exact = "GET", invert = true } })
    assert.is_true(takes({ authority = { exact = "h:80" } }, "/", { authority = "h:80" }))
    assert.is_false(takes { authority = { suffix = ":80" } })
    assert.is_true(takes({ scheme = { exact = "https" } }, "/", { scheme = "https" }))
    assert.is_false(takes { scheme = { exact = "https" } })
    local shop = { principal = { prefix = "spiffe://a.test/ns/shop/" } }
    assert.is_true(takes(shop, "/", { principal = "spiffe://a.test/ns/shop/sa/till" }))
    assert.is_false(takes(shop, "/", { principal = "spiffe://a.test/ns/other/sa/till" }))
    assert.is_false(takes(shop))
  end)

  it("ask for claims of a token", function()
    local function takes_claims(rule, claims)
      local req = setmetatable({ token = claims and { claims = claims } }, { __index = request("h", "/") })
      return new({ route("r", nil, { claims = { rule } }) }):match(0, req) ~= nil
    end
    local admin = { path = { "realm", "roles" }, exact = "admin" }
    assert.is_true(takes_claims(admin, { realm = { roles = { "user", "admin" } } }))
    assert.is_true(takes_claims(admin, { realm = { roles = "admin" } }))
    for _, claims in ipairs { { realm = { roles = { "user" } } }, { realm = "admin" }, { realm = {} }, {} } do
      assert.is_false(takes_claims(admin, claims))
    end
    assert.is_false(takes_claims(admin, nil))
    assert.is_true(takes_claims({ path = { "a" }, exact = "x", invert = true }, nil))
    assert.is_false(takes_claims({ path = { "a" }, present = true }, { a = 3 })) -- neither numbers nor booleans
    assert.is_true(takes_claims({ path = { "a" }, regex = "x+" }, { a = "xx" }))
  end)

  it("take a missing value for an empty one where told so", function()
    local function without(rule)
      rule.name, rule.invert, rule.empty_if_absent = "user", true, true
      return { headers = { rule } }
    end
    assert.is_true(takes(without { exact = "Amy" }))
    assert.is_false(takes(without { regex = ".*" }))
    assert.is_false(takes(without { exact = "" }))
    assert.is_true(takes(without { present = true }))
    assert.is_false(takes(without { exact = "Amy" }, "/", { headers = { user = "Amy" } }))
  end)
end)

-- What the indexes must agree with: every match of the host pattern tried in the order of ranks.
local function reference(routes, req)
  local best
  for _, candidate in ipairs(routes) do
    for _, match in ipairs(candidate.matches) do
      local path, ok = match.path or {}, true
      if path.exact then ok = req.path == path.exact end
      if path.prefix then
        local stem = path.prefix:gsub("/+$", "")
        ok = req.path == stem or req.path:sub(1, #stem + 1) == stem .. "/"
      end
      if path.regex then ok = req.path:find("^" .. path.regex .. "$") ~= nil end
      if path.starts_with then ok = req.path:sub(1, #path.starts_with) == path.starts_with end
      if match.method then ok = ok and match.method == req.method end
      for _, rule in ipairs(match.headers or {}) do ok = ok and req.headers:get(rule.name) == rule.exact end
      if ok and (not best or match.rank < best.rank) then best = { rank = match.rank, name = candidate.name } end
    end
  end
  return best and best.name
end

describe("router against a plain search", function()
  local random = math.random

  local function some_path()
    local text = ""
    for _ = 1, random(0, 3) do text = text .. "/" .. ("ab"):sub(1, random(1, 2)) end
    return text .. (random(4) == 1 and "/" or text == "" and "/" or "")
  end

  local function some_match()
    local kind = ({ "exact", "prefix", "starts_with" })[random(5)]
    local pattern = random(4) == 1 and { regex = some_path() .. "[ab]*" } -- means the same to Lua and to RE2
    return {
      path = kind and { [kind] = some_path() } or pattern or nil, method = random(3) == 1 and "POST" or nil,
      headers = random(2) == 1 and { { name = "h" .. random(2), exact = tostring(random(5)) } } or nil,
    }
  end

  it("finds the same route, whatever the order", function()
    for round = 1, 60 do
      math.randomseed(round)
      local routes = {}
      for i = 1, random(1, 60) do
        routes[i] = route("r" .. i, nil, some_match(), random(2) == 1 and some_match() or nil)
      end
      local made = new(routes, { by_specificity = round % 2 == 0 })
      for _ = 1, 100 do
        local req = request("h", some_path(), { method = random(2) == 1 and "POST" or "GET",
          headers = { h1 = tostring(random(6)), h2 = random(2) == 1 and tostring(random(6)) or nil } })
        local found = made:match(0, req)
        assert.equal(reference(routes, req), found and found.name)
      end
    end
  end)
end)
