--- Policies that do not come back while a config is loaded: said with file and line; a reload keeps the old config.
local gateway = require "spec.support.gateway"

local LOOP = "while true do pcall(function() while true do end end) end"

local CONFIG = [[return {
  listeners = { web = { address = "127.0.0.1:$web" } },
  routes = { { policies = { "stuck" } } },
}]]

describe("a policy that does not come back", function()
  after_each(gateway.stop_all)

  it("is said by check", function()
    local folder = gateway.folder()
    gateway.write(folder .. "/stuck.lua", ("return { request = print,\ncheck = function() %s end }"):format(LOOP))
    local path = gateway.write(folder .. "/gateway.lua", (CONFIG:gsub("%$web", "1")))
    local code, said = gateway.run("check", "--policy-path", folder, path)
    assert.equal(1, code, said)
    assert.truthy(said:find "gateway.lua:3: .-stuck.lua:2: still runs after 2 s of CPU time", said)
  end)

  it("is refused by a reload, and the old config serves on", function()
    local gw = gateway.start { config = CONFIG, args = { "--policy-path", "$folder" },
      files = { ["stuck.lua"] = "return { request = function(_, ctx) return ctx:respond(200, 'old') end }" } }
    gateway.write(gw.folder .. "/stuck.lua", "return { request = print, prepare = function()\n" .. LOOP .. " end }")
    assert.truthy(gw:reload(CONFIG, {}, "reload refused"))
    assert.truthy(gw:log():find("stuck.lua:2: still runs after 2 s", 1, true))
    assert.equal("old", assert(gw:ask {}).body)
  end)
end)
