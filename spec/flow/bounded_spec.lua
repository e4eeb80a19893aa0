--- Policies that do not come back while a config is loaded: said with file and line; a reload keeps the old config.
local gateway = require "spec.support.gateway"

local LOOP = "while true do pcall(function() while true do end end) end"

-- Each takes more memory than a policy may while a config is loaded.
local GREEDY = { "local t = {} for i = 1, 1e9 do t[i] = { i } end", "local s = 'x' while true do s = s .. s end",
  "local s = ('x'):rep(1e9)", "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end" }

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

  for _, greedy in ipairs(GREEDY) do
    it("is said by check, where it takes all memory: " .. greedy, function()
      local folder = gateway.folder()
      gateway.write(folder .. "/stuck.lua", ("return { request = print,\nprepare = function() %s end }"):format(greedy))
      local path = gateway.write(folder .. "/gateway.lua", (CONFIG:gsub("%$web", "1")))
      local code, said = gateway.run("check", "--policy-path", folder, path)
      assert.equal(1, code, said)
      assert.truthy(said:find "gateway.lua:3: .-not enough memory" or said:find "still runs after 2 s", said)
    end)
  end

  it("is said by check, where it does not say what it wants of bodies", function()
    local folder = gateway.folder()
    local path = gateway.write(folder .. "/gateway.lua", (CONFIG:gsub("%$web", "1")))
    local mistakes = { [LOOP] = "stuck.lua:2: still runs after 2 s", ["error 'oops'"] = "stuck.lua:2: oops" }
    for text, expected in pairs(mistakes) do
      gateway.write(folder .. "/stuck.lua", ("return { request = print,\nbody = function() %s end }"):format(text))
      local code, said = gateway.run("check", "--policy-path", folder, path)
      assert.equal(1, code, said)
      assert.truthy(said:find("gateway.lua:3: routes[1].policies[1]: policy 'stuck': ", 1, true), said)
      assert.truthy(said:find(expected, 1, true), said)
    end
  end)

  it("may work as long in a worker's first load as in check", function()
    local gw = gateway.start { config = CONFIG, args = { "--policy-path", "$folder" }, files = { ["stuck.lua"] = [[
      return { request = function(_, ctx) return ctx:respond(200, "well") end, prepare = function()
        local x = 0
        for i = 1, 2.5e8 do x = bit.bxor(x, i) end
      end }]] } }
    assert.equal("well", assert(gw:ask {}).body)
  end)

  it("or would read a longer body than a string may be, is said by check", function()
    local folder = gateway.folder()
    gateway.write(folder .. "/stuck.lua", [[return { request = print, body = { request = "whole", limit = "17MiB" } }]])
    local path = gateway.write(folder .. "/gateway.lua", (CONFIG:gsub("%$web", "1")))
    local code, said = gateway.run("check", "--policy-path", folder, path)
    assert.equal(1, code, said)
    assert.truthy(said:find("gateway.lua:3: routes[1].policies[1]: policy 'stuck' reads bodies of up to 17825792 bytes "
      .. "whole, and one string of a policy may be 16777216 long", 1, true), said)
    gateway.write(path, (CONFIG:gsub("%$web", "1"):gsub("return {", "%0 budgets = { memory = '272MiB' },")))
    assert.equal(0, (gateway.run("check", "--policy-path", folder, path)))
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
