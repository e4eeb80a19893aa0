--- A worker whose loop stands still says where, is ended and started again; the others serve on.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"

local STANDS = [[
local stands = {}
local function stand_still()
  while true do end
end
function stands.request(_, ctx)
  if ctx.req.path == "/still" then stand_still() end
  return ctx:respond(200, "well")
end
return stands]]

-- Its budget is longer than what a worker may stand still.
local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web" } },
  budgets = { cpu = "10m" },
  routes = { { policies = { "stands" } } },
}]]

describe("a worker that stands still", function()
  after_each(gateway.stop_all)

  it("is told from the others, and replaced", function()
    local gw = gateway.start { workers = 2, files = { ["stands.lua"] = STANDS }, config = CONFIG,
      args = { "--policy-path", "$folder" } }
    local conn = stream.connect(gw.ports.web)
    conn:send "GET /still HTTP/1.1\r\nHost: a\r\n\r\n"
    assert.truthy((loop.poll(function() return gw:log():find("stands still for", 1, true) ~= nil or nil end, 60)))
    local answer = http.ask_until(gw.ports.web, {}, function(response) return response.body == "well" end, 20)
    assert.truthy(answer)
    assert.truthy(gw:logged("this worker stands still in Lua", 20))
    assert.truthy(gw:log():find("stands.lua:%d+: in function 'stand_still'"))
    assert.truthy(gw:logged("killed by signal 9; started again", 20))
    for _ = 1, 10 do assert.equal("well", assert(gw:ask {}).body) end
    conn:close()
    gw:stop { crash = true }
  end)
end)
