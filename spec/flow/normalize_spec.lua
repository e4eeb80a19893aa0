--- A listener's path_normalization: the route is chosen, the policies ask and the service is called by one spelling.
local gateway = require "spec.support.gateway"
local upstream = require "spec.support.upstream"

describe("path_normalization", function()
  local gw, up

  setup(function()
    up = upstream.start(function(request)
      request:read()
      return { body = request.target }
    end)
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = {
          web = { address = "127.0.0.1:$web", path_normalization = "merge_slashes" },
          raw = { address = "127.0.0.1:$raw" },
        },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } } },
        policies = { "metrics" },
        routes = {
          { name = "open", match = { path = { prefix = "/open" } }, backends = { { service = "up" } } },
          { name = "rest", policies = { { "respond", status = 403 } } },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function ask(path, name) return assert(gw:ask({ path = path }, name)) end

  it("comes before the choice of the route", function()
    assert.equal(403, ask("/open/../internal").status)
    assert.equal(403, ask("/open/%2e%2e/internal").status)
    assert.equal(200, ask("/x/..//open/a").status)
    assert.equal(200, ask("/open/../internal", "raw").status)
  end)

  it("is what the service sees, with the query as it was", function()
    assert.equal("/open/a?b=/../c", ask("/open//./a?b=/../c").body)
    assert.equal("/open//./a?b=/../c", ask("/open//./a?b=/../c", "raw").body)
  end)

  it("answers 400 where there is no spelling, and goes on", function()
    assert.equal(400, ask("/open/%00").status)
    assert.equal(200, ask("/open").status)
  end)
end)
