require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local redirect = require "policies.redirect"

local function answer(settings, request)
  local ctx = fake.new(request or { path = "/old/x", port = 80 })
  return redirect.request(fake.conf(redirect, settings), ctx)
end

local function location(settings, request) return answer(settings, request).headers.location end

describe("policy redirect", function()
  it("takes from the request what the settings leave out", function()
    assert.equal("http://other.example/old/x", location { host = "other.example" })
    assert.equal("http://shop.example/new?q=1", location({ path = "/new" }, { path = "/a", query = "q=1", port = 80 }))
    assert.equal("https://shop.example/a", location({ path = "/a" }, { port = 443, peer = { tls = true } }))
  end)

  it("names the port written, else the scheme's, else the listener's, but not a usual one", function()
    local at_8080 = { path = "/", port = 8080, authority = "shop.example:31080" }
    assert.equal("http://shop.example:8080/", location({ host = "shop.example" }, at_8080))
    assert.equal("http://shop.example:8083/", location({ port = 8083 }, at_8080))
    assert.equal("https://shop.example/", location({ scheme = "https" }, at_8080))
    assert.equal("http://shop.example/", location({ scheme = "http" }, at_8080))
    assert.equal("https://shop.example:80/", location({ scheme = "https", port = 80 }, at_8080))
    assert.equal("http://shop.example/", location({ port = 80 }, at_8080))
  end)

  it("keeps the port of the client's Host where told to", function()
    local request = { path = "/", port = 80, authority = "Shop.example:8080" }
    assert.equal("http://Shop.example:8080/", location({ client_port = true }, request))
    assert.equal("https://Shop.example:8080/", location({ client_port = true, scheme = "https" }, request))
    assert.equal("http://a.example/", location({ client_port = true, host = "a.example" }, request))
    assert.equal("http://shop.example/", location({ client_port = true, port = 80 }, request))
    local usual = { path = "/", port = 80, authority = "shop.example:80" }
    assert.equal("https://shop.example/", location({ client_port = true, scheme = "https" }, usual))
    assert.equal("http://shop.example:80/", location({ client_port = true, path = "/" }, usual))
  end)

  it("writes another query", function()
    assert.equal("http://shop.example/a?b=c", location({ path = "/a", query = "b=c" }, { query = "q", port = 80 }))
  end)

  it("replaces a prefix by whole elements", function()
    local settings = { prefix = { from = "/old", to = "/new" } }
    assert.equal("http://shop.example/new/x", location(settings))
    assert.equal("http://shop.example/older", location(settings, { path = "/older", port = 80 }))
  end)

  it("answers 302, or as told", function()
    assert.equal(302, answer({ host = "a.example" }).status)
    assert.equal(308, answer({ host = "a.example", status = 308 }).status)
  end)

  it("refuses settings without sense", function()
    for path, settings in pairs {
      prefix = { path = "/a", prefix = { from = "/a", to = "/b" } },
      ["prefix.to"] = { prefix = { from = "/a", to = "b" } },
      status = { status = 304 }, path = { path = "a" }, scheme = { scheme = "ftp" }, host = { host = "a/b" },
    } do
      local found = fake.mistakes(redirect, settings)
      assert.equal(path, found[1] and found[1]:match "^[%w.]+")
    end
  end)
end)
