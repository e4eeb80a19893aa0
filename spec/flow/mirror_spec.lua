local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

describe("policies mirror, redirect and cors", function()
  local gw, main, shadow

  setup(function()
    main, shadow = upstream.start(), upstream.start()
    gw = gateway.start { values = { main = main.address, shadow = shadow.address }, args = { "--port-offset", "1" },
      config = [[
      return {
        listeners = { web = { address = "127.0.0.1:" .. $web - 1 } },
        admin = { address = "127.0.0.1:" .. $admin - 1 },
        services = { main = { endpoints = { { address = "$main" } } },
          shadow = { endpoints = { { address = "$shadow" } } } },
        routes = {
          { match = { path = { prefix = "/copy" } }, backends = { { service = "main" } }, policies = {
            { "headers", request = { set = { ["x-by"] = "gateway" } } }, { "mirror", service = "shadow" } } },
          { match = { path = { prefix = "/moved" } }, policies = { { "redirect", path = "/new", status = 301 } } },
          { match = { path = { prefix = "/cors" } }, backends = { { service = "main" } }, policies = {
            { "cors", allow_origins = { "https://*.a.test" }, allow_methods = { "*" } } } },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  before_each(function() main.requests, shadow.requests = {}, {} end)

  local function mirrored()
    return loop.poll(function() return shadow.requests[1] end, 5)
  end

  it("sends a copy, as the policies before made it", function()
    shadow.answer = function() return nil end -- what becomes of the copy is nothing to the client
    assert.equal("ok", assert(gw:ask { path = "/copy?q=1", host = "shop.test" }).body)
    local copy = assert(mirrored())
    assert.same({ "GET", "/copy?q=1", "shop.test", "gateway" },
      { copy.method, copy.target, copy.headers.host, copy.headers["x-by"] })
    assert.equal(1, gw:counts("moongate_mirrored_requests_total", { service = "shadow", outcome = "failed" }, 1))
  end)

  it("sends the body with it, unless that is too long", function()
    local bodies = {}
    shadow.answer = function(request)
      bodies[#bodies + 1] = request:read().body
      return { body = "thrown away" }
    end
    main.answer = function(request) return { body = tostring(#request:read().body) } end
    assert.equal("5", assert(gw:ask { method = "POST", path = "/copy", body = "hello" }).body)
    assert.equal("hello", loop.poll(function() return bodies[1] end, 5))
    assert.equal("100000", assert(gw:ask { method = "POST", path = "/copy", body = ("x"):rep(100000) }).body)
    assert.equal(1, gw:counts("moongate_mirrored_requests_total", { service = "shadow", outcome = "dropped" }, 1))
    main.answer = nil
  end)

  it("names the declared port in a redirect, not the one that is bound", function()
    local response = assert(gw:ask { path = "/moved/x?q=1", host = "shop.test:99" })
    assert.same({ 301, ("http://shop.test:%d/new?q=1"):format(gw.ports.web - 1) },
      { response.status, response.headers.location })
  end)

  it("answers a preflight itself, and marks the answers of the service", function()
    local headers = { origin = "https://x.a.test", ["access-control-request-method"] = "PUT" }
    local response = assert(gw:ask { method = "OPTIONS", path = "/cors", headers = headers })
    assert.same({ 200, "https://x.a.test", "PUT", 0 }, { response.status,
      response.headers["access-control-allow-origin"], response.headers["access-control-allow-methods"],
      #main.requests })
    response = assert(gw:ask { path = "/cors", headers = { origin = "https://x.a.test" } })
    assert.same({ "ok", "https://x.a.test" }, { response.body, response.headers["access-control-allow-origin"] })
    response = assert(gw:ask { path = "/cors", headers = { origin = "https://a.test.evil" } })
    assert.same({ "ok" }, { response.body, response.headers["access-control-allow-origin"] })
  end)
end)
