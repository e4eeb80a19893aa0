--- `moongate docs`: one description, as text, for editors and for language servers.
local fields = require "moongate.config.fields"
local gateway = require "spec.support.gateway"
local json = require "moongate.json"
local npm = require "spec.support.npm"
local policy = require "moongate.policy"
local process = require "spec.support.process"

-- A value for a field; with `fields` of a config and of policies this says all that can be said.
local sample

local samples = {
  string = function(field) return ("x"):rep(field.min or 1) end,
  number = function(field) return field.min or 1 end, integer = function(field) return field.min or 1 end,
  boolean = function() return true end, duration = function() return "1h30m" end, size = function() return "64KiB" end,
  code = function() return "return" end, any = function() return "x" end,
  map = function(field) return { a = field.values and sample(field.values) or "x" } end,
  list = function(field)
    local list = {}
    for i = 1, math.max(field.min or 1, 1) do list[i] = field.items and sample(field.items) or "x" end
    return list
  end,
}

function samples.record(field)
  local record = {}
  for _, one in ipairs(field.fields) do record[one[1]] = sample(one) end
  return record
end

function sample(field)
  if field[1] == "policies" then return { "metrics" } end
  if field.one_of then return field.one_of[1] end
  local kind = type(field.type) == "table" and field.type[1] or field.type
  return samples[kind] and samples[kind](field)
end

-- Every key of a config, and every setting of every policy.
local function everything()
  local uses = {}
  for i, name in ipairs(policy.stock) do
    local module = assert(policy.load(name))
    local settings = samples.record { fields = module.schema }
    for _, field in ipairs(policy.OF_A_USE) do settings[field[1]] = sample(field) end
    uses[i] = { policy = name, settings = settings }
  end
  local config = samples.record { fields = fields.config }
  config.policies = uses
  return config
end

describe("moongate docs", function()
  teardown(gateway.stop_all)

  it("prints everything, or what is said of a name", function()
    local code, all = gateway.run "docs"
    assert.equal(0, code)
    for _, name in ipairs(policy.stock) do
      local _, one = gateway.run("docs", name)
      assert.truthy(one:find "Settings:" or one:find "no settings", name)
      assert.truthy(all:find("\n" .. name .. ": ", 1, true) or all:find("\n" .. name .. " ", 1, true), name)
    end
    for _, call in ipairs { "ctx:respond(", "http.request(", "dictionary:incr(", "test.policy(" } do
      assert.truthy(all:find(call, 1, true), call)
    end
    local _, said = gateway.run("docs", "ctx:sleep")
    assert.truthy(said:find("^ctx:sleep%(ms%)\n    Waits"))
    assert.same({ gateway.run("docs", "canary") }, { gateway.run("help", "canary") })
  end)

  it("knows policies of one's own", function()
    local folder = gateway.folder()
    gateway.write(folder .. "/mine.lua", "--- mine: does a thing.\n"
      .. "local mine = { schema = { { 'a', type = 'string' } } }\nfunction mine.request() end\nreturn mine\n")
    local code, text = gateway.run("docs", "mine", "--policy-path", folder)
    assert.equal(0, code)
    assert.truthy(text:find("^mine: does a thing.\n\nSettings:\n  a %(string%)\n"), text)
  end)

  it("refuses what it does not know", function()
    local code, text = gateway.run("docs", "ctx:slep")
    assert.equal(2, code)
    assert.truthy(text:find("nothing is called 'ctx:slep'; did you mean 'ctx:sleep'?", 1, true), text)
    code, text = gateway.run("docs", "listeners")
    assert.equal(2, code)
    assert.truthy(text:find("--json-schema what a config may say", 1, true), text)
    assert.equal(2, (gateway.run("docs", "--json-schema", "rbac")))
    assert.equal(2, (gateway.run("docs", "a", "b")))
    assert.equal(2, (gateway.run("docs", "--type", "x")))
    assert.equal(1, (gateway.run("docs", "--types", "/proc/nothing")))
  end)

  it("writes types that are Lua, and say what they are", function()
    local folder = gateway.folder()
    local code, text = gateway.run("docs", "--types", folder .. "/a b")
    assert.equal(0, code, text)
    local count = 0
    for path in process.read(("find '%s' -name '*.lua'"):format(folder)):gmatch "[^\n]+" do
      local source = process.file(path)
      assert.truthy(source:find "^%-%-%-@meta", path)
      assert.truthy(loadstring(source), path)
      count = count + 1
    end
    assert.is_true(count >= 20)
    assert.truthy(process.file(folder .. "/a b/moongate/ctx.lua"):find("function ctx:sleep(ms) end", 1, true))
  end)

  it("prints a JSON Schema that every example and every key fits, and mistakes do not", function()
    local lacking = npm.lacking "ajv"
    if lacking then return pending(lacking) end
    local _, text = gateway.run("docs", "--json-schema")
    local values = { json.encode(everything()) } -- as texts: an empty list that is read is no list any more
    for path in process.read "ls examples/*.lua":gmatch "[^\n]+" do
      local code, config = gateway.run("config", "--json", path)
      assert.equal(0, code, config)
      values[#values + 1] = config:gsub("^moongate[^\n]*\n", "")
    end
    local function with(route)
      values[#values + 1] = '{"listeners":{"web":{"address":"127.0.0.1:80"}},"routes":[' .. route .. "]}"
    end
    for _, timeout in ipairs { "0", "1h0.5s", "250us", "5.s" } do with(('{"timeout":"%s"}'):format(timeout)) end
    local good = #values
    assert.is_true(good > 8)
    with '{"timeout":"."}'
    with '{"timeout":"1..5s"}'
    with '{"policies":[{"policy":"respond","settings":{"status":"204"}}]}'
    with '{"policies":[{"policy":"respond","settings":{"on_error":"skip"}}]}'
    with '{"policies":[{"policy":"body_rewrite","settings":{"limit":0}}]}'
    with '{"policies":[{"policy":"respond","settings":{"cpu_budget":0.009}}]}'
    with '{"polices":[]}'
    values[#values + 1] = '{"admin":{"address":"127.0.0.1:80"}}'
    local given = gateway.write(gateway.folder() .. "/given.json",
      ('{"schema":%s,"values":[%s]}'):format(text, table.concat(values, ",")))
    local said = {}
    for line in npm.run("ajv", "schema.js", given):gmatch "[^\n]+" do said[#said + 1] = line end
    for i = 1, good do assert.equal("-", said[i], i) end
    for i, why in ipairs { "/routes/0/timeout must match", "/routes/0/timeout must match",
      "/routes/0/policies/0/settings/status must be integer", "on_error must be equal to",
      "limit must be >= 1", "cpu_budget must be >= 0.01",
      "/routes/0 must NOT have additional properties", "must have required property 'listeners'" } do
      assert.truthy(said[good + i]:find(why, 1, true), said[good + i])
    end
  end)
end)
