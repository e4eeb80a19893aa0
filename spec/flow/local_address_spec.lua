--- ctx.local_address: what the client reached, also where the listener takes any address.
local gateway = require "spec.support.gateway"

describe("the local address", function()
  local gw

  setup(function()
    gw = gateway.start { config = [[
      local here = { when = { { key = "destination.ip", values = { "127.0.0.1" } } } }
      local there = { when = { { key = "destination.ip", values = { "127.0.0.2" } } } }
      local function route(name, listener, rule)
        return { name = name .. listener, hosts = { name .. ".test" }, listeners = { listener },
          policies = { { "rbac", allow = { rule } }, { "respond", status = 200 } } }
      end
      return {
        listeners = { any = { address = "0.0.0.0:$any" }, dual = { address = "[::]:$dual" },
          web = { address = "127.0.0.1:$web" } },
        routes = {
          route("here", "any", here), route("there", "any", there), route("here", "dual", here),
          route("there", "dual", there), route("here", "web", here), route("there", "web", there),
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  for _, listener in ipairs { "any", "dual", "web" } do
    it("is asked for by rules at listener " .. listener, function()
      assert.equal(200, assert(gw:ask({ host = "here.test" }, listener)).status)
      assert.equal(403, assert(gw:ask({ host = "there.test" }, listener)).status)
    end)
  end
end)
