--- `moongate bench policy`: what it says of policies whose price is known to be high, or nothing. How many nanoseconds
-- is no test's business.
local gateway = require "spec.support.gateway"

local POLICIES = {
  ["dear.lua"] = [[
    local dear = { schema = { { "count", type = "integer", default = 1 } } }
    function dear.request(conf, ctx)
      local list = {}
      for i = 1, conf.count do list[i] = function() return i end end
      ctx.own.list = list
    end
    function dear.log(_, ctx) ctx:sleep(10) end
    return dear]],
  ["cheap.lua"] = [[
    local cheap = { schema = {} }
    function cheap.response() end
    return cheap]],
}

local folder

local function bench(...)
  return gateway.run("bench", "policy", ..., "--policy-path", folder)
end

-- Of a phase's line: ns, p99 and bytes.
local function figures(text, phase)
  local ns, p99, bytes = text:match("\n" .. phase .. " +(%d+) +(%d+) +(%d+)")
  return tonumber(ns), tonumber(p99), tonumber(bytes)
end

describe("moongate bench policy", function()
  setup(function()
    folder = gateway.folder()
    for name, text in pairs(POLICIES) do gateway.write(folder .. "/" .. name, text) end
  end)
  teardown(gateway.stop_all)

  it("says what a phase costs, and where the compiler gave up", function()
    local code, text = gateway.run("bench", "policy", "dear", "--policy-path", folder, "--config", "{ count = 200 }",
      "--path", "/a?b", "--method", "PUT")
    assert.equal(0, code, text)
    assert.truthy(text:find("dear: 1000 requests, PUT /a?b, answered 200", 1, true), text)
    local ns, p99, bytes = figures(text, "request")
    assert.is_true(ns > 0 and p99 >= ns and bytes > 200 * 20, text)
    assert.truthy(text:find("trace given up at .-dear.lua:4: NYI: bytecode FNEW %(%d+ times%)")
      or text:find "trace given up at .-dear.lua:4: NYI: bytecode %d+", text)
    assert.truthy(text:find("log .-%(1000 of 1000 calls waited: not timed%)"), text)
  end)

  it("says nothing of what the policy logs", function()
    local code, text = gateway.run("bench", "policy", "access_log")
    assert.equal(0, code, text)
    assert.equal("access_log: 1000 requests, GET /, answered 200\n", text:sub(1, 47))
  end)

  it("takes off what measuring costs", function()
    local code, text = bench "cheap"
    assert.equal(0, code, text)
    local _, _, bytes = figures(text, "response")
    assert.equal(0, bytes, text)
    assert.is_nil(figures(text, "request"))
    assert.truthy(text:find("no trace was given up", 1, true), text)
    assert.equal(0, (gateway.run("bench", "policy", "respond", "--config", "{ status = 204 }")))
  end)

  it("refuses what it cannot run", function()
    local function refused(wanted, ...)
      local code, text = gateway.run("bench", ...)
      assert.equal(wanted, code, text)
      return text
    end
    assert.truthy(refused(2, "policy", "cheep"):find("unknown policy 'cheep'", 1, true))
    assert.truthy(refused(1, "policy", "respond", "--config", "{ statsu = 1 }"):find("did you mean 'status'?", 1, true))
    assert.truthy(refused(2, "policy", "respond", "--config", "{ = }"):find("--config:1:", 1, true))
    assert.truthy(refused(1, "policy", "api_key"):find("moongate docs api_key", 1, true))
    refused(2, "policy", "respond", "--config", "1")
    refused(2, "policy", "respond", "--config", "os.exit(0)")
    refused(2, "policy", "respond", "--header", "none")
    refused(2, "policy")
    refused(2, "respond")
  end)
end)
