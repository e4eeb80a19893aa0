require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local rewrite = require "policies.rewrite"

local function rewritten(settings, path)
  local ctx = fake.new { path = path, query = "q=1" }
  rewrite.request(fake.conf(rewrite, settings), ctx)
  return ctx.req.path, ctx.req
end

describe("policy rewrite", function()
  it("replaces the whole path and keeps the query", function()
    local path, req = rewritten({ path = "/new", host = "inner:80" }, "/old/x")
    assert.same({ "/new", "q=1", "inner:80" }, { path, req.query, req.authority })
  end)

  -- path, from, to, expected: the table of HTTPRoute's ReplacePrefixMatch, then what does not match.
  for _, row in ipairs {
    { "/foo/bar", "/foo", "/xyz", "/xyz/bar" }, { "/foo/bar", "/foo", "/xyz/", "/xyz/bar" },
    { "/foo/bar", "/foo/", "/xyz", "/xyz/bar" }, { "/foo/bar", "/foo/", "/xyz/", "/xyz/bar" },
    { "/foo", "/foo", "/xyz", "/xyz" }, { "/foo/", "/foo", "/xyz", "/xyz/" }, { "/foo/bar", "/foo", "", "/bar" },
    { "/foo/", "/foo", "", "/" }, { "/foo", "/foo", "", "/" }, { "/foo/", "/foo", "/", "/" },
    { "/foo", "/foo", "/", "/" },
    { "/foo/bar", "/foo", "/", "/bar" }, { "/a", "/", "/xyz", "/xyz/a" },
    { "/foobar", "/foo", "/xyz", "/foobar" }, { "/bar", "/foo", "/xyz", "/bar" },
  } do
    it(("makes %s of %s by %s to '%s'"):format(row[4], row[1], row[2], row[3]), function()
      assert.equal(row[4], (rewritten({ prefix = { from = row[2], to = row[3] } }, row[1])))
    end)
  end

  it("replaces text when asked, as a VirtualService does", function()
    assert.equal("//bar", (rewritten({ prefix = { from = "/foo", to = "/", literal = true } }, "/foo/bar")))
    assert.equal("/v1x", (rewritten({ prefix = { from = "/", to = "/v1", literal = true } }, "/x")))
    assert.equal("/xbar", (rewritten({ prefix = { from = "/foo", to = "/x", literal = true } }, "/foobar")))
  end)

  it("replaces what matches a regular expression, and nothing else", function()
    local function by(match, new, path) return (rewritten({ regex = { match = match, rewrite = new } }, path)) end
    assert.equal("/2/a/x", by("^/([a-z]+)/v([0-9])", [[/\2/\1]], "/a/v2/x"))
    assert.equal("/1-1-1", by("a", "1", "/a-a-a"))
    assert.equal("/none", by("x+", "y", "/none"))
    assert.equal("/", by("^/api", "", "/api"))
    assert.equal("/" .. ("b"):rep(20000), by("(a+)+$", "", "/" .. ("b"):rep(20000)))
  end)

  it("finds a prefix in any case, and tells the path as it came", function()
    local path, req = rewritten({ original_path = "x-was",
      prefix = { from = "/Shop", to = "/s", literal = true, ignore_case = true } }, "/sHOP/a")
    assert.same({ "/s/a", "/sHOP/a?q=1" }, { path, req.headers["x-was"] })
    path, req = rewritten({ original_path = "x-was", prefix = { from = "/shop", to = "/s" } }, "/other")
    assert.equal("/other", path)
    assert.is_nil(req.headers["x-was"])
    assert.equal("/v1/x", (rewritten({ prefix = { from = "", to = "/v1", literal = true } }, "/x")))
  end)

  it("refuses settings without sense", function()
    for path, settings in pairs {
      path = {}, prefix = { path = "/a", prefix = { from = "/a", to = "/b" } },
      ["prefix.to"] = { prefix = { from = "/", to = "x" } },
      host = { host = "a b" }, ["prefix.from"] = { prefix = { from = "", to = "/" } },
      regex = { path = "/a", regex = { match = "a", rewrite = "b" } },
      ["regex.match"] = { regex = { match = "(?=a)", rewrite = "" } },
      ["regex.rewrite"] = { regex = { match = "a", rewrite = [[\1]] } },
      original_path = { path = "/a", original_path = "x y" },
    } do
      assert.equal(path, (fake.mistakes(rewrite, settings)[1]:match("^[^:]*")))
    end
  end)
end)
