--- `moongate docs`: one description, as text, for editors and for language servers.
local gateway = require "spec.support.gateway"
local json = require "moongate.json"
local policy = require "moongate.policy"
local process = require "spec.support.process"

-- ---- as much of JSON Schema as is used -------------------------------------------------------

local TYPES = {
  string = function(v) return type(v) == "string" end, boolean = function(v) return type(v) == "boolean" end,
  number = function(v) return type(v) == "number" end,
  integer = function(v) return type(v) == "number" and v % 1 == 0 end,
  array = function(v) return type(v) == "table" and (#v > 0 or next(v) == nil) end,
  object = function(v) return type(v) == "table" and #v == 0 end,
}

local mistake

local function any_of(list, value, root)
  for _, one in ipairs(list) do
    if not mistake(one, value, root) then return true end
  end
  return false
end

local function among(list, value)
  for _, one in ipairs(list) do if one == value then return true end end
  return false
end

local function object_mistake(schema, value, root)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then return name .. " is missing" end
  end
  for name, item in pairs(value) do
    local one = (schema.properties or {})[name]
    if one == nil then one = schema.additionalProperties end
    if one == false then return name .. " is not known" end
    local found = type(one) == "table" and mistake(one, item, root)
    if found then return name .. "." .. found end
  end
end

function mistake(schema, value, root)
  if schema["$ref"] then schema = root["$defs"][schema["$ref"]:match "[^/]+$"] end
  if schema.type and not TYPES[schema.type](value) then return "no " .. schema.type end
  if schema.const ~= nil and schema.const ~= value then return "not " .. schema.const end
  if schema.enum and type(value) ~= "table" and not among(schema.enum, value) then return "none of the words" end
  if schema.minimum and type(value) == "number" and value < schema.minimum then return "too small" end
  if schema["not"] and not mistake(schema["not"], value, root) then return "not that" end
  if schema.anyOf and not any_of(schema.anyOf, value, root) then return "nothing that fits" end
  if type(value) ~= "table" then return nil end
  if schema.type == "object" then return object_mistake(schema, value, root) end
  for i, item in ipairs(schema.items and value or {}) do
    local found = mistake(schema.items, item, root)
    if found then return i .. "." .. found end
  end
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

  it("prints a JSON Schema that every example fits, and mistakes do not", function()
    local _, text = gateway.run("docs", "--json-schema")
    local schema = assert(json.decode(text))
    local count = 0
    for path in process.read "ls examples/*.lua":gmatch "[^\n]+" do
      local code, config = gateway.run("config", "--json", path)
      assert.equal(0, code, config)
      local model = json.decode((config:gsub("^moongate[^\n]*\n", "")))
      assert.is_nil(mistake(schema, model, schema), path)
      count = count + 1
    end
    assert.is_true(count > 8)
    local good = { listeners = { web = { address = "127.0.0.1:80" } },
      routes = { { policies = { { policy = "respond", settings = { status = 204 } }, "metrics" } } } }
    assert.is_nil(mistake(schema, good, schema))
    good.routes[1].policies[1].settings.status = "204"
    assert.equal("routes.1.policies.1.nothing that fits", mistake(schema, good, schema))
    good.routes = { { polices = {} } }
    assert.equal("routes.1.polices is not known", mistake(schema, good, schema))
    assert.equal("listeners is missing", mistake(schema, {}, schema))
  end)
end)
