--- lua/moongate/api, held against what a policy really reaches: nothing is missing, nothing is made up.
require "spec.support.init"
require "spec.support.fake_abi"
local process = require "spec.support.process"
local reference = require "moongate.reference"
local text = require "moongate.reference.text"

-- What the gateway's own modules call, and policies have no use for.
local INTERNAL = { ["moongate.timer"] = { begin_load = true, end_load = true, run = true },
  ["moongate.test"] = { setup = true } }

-- The local `name` that a function, or one that it calls, was written with.
local function upvalue(fn, name, depth)
  for i = 1, 60 do
    local key, value = debug.getupvalue(fn, i)
    if not key then break end
    if key == name then return value end
    local found = type(value) == "function" and depth > 0 and upvalue(value, name, depth - 1)
    if found then return found end
  end
end

local function class_of(name)
  for _, class in ipairs(reference.classes()) do
    if class.name == name then return class end
  end
end

local function names_of(list)
  local names = {}
  for _, entry in ipairs(list) do names[#names + 1] = entry.name end
  table.sort(names)
  return names
end

local function keys_of(...)
  local names = {}
  for _, t in ipairs { ... } do
    for name in pairs(t) do
      if not name:find "^_" then names[#names + 1] = name end
    end
  end
  table.sort(names)
  return names
end

-- The functions of a class are those in `real`, with as many parameters.
local function compare(name, real)
  local class = assert(class_of(name), name .. " is not described")
  assert.same(keys_of(real), names_of(class.functions), name)
  for _, entry in ipairs(class.functions) do
    local _, count = entry.arguments:gsub("[%w_]+", "")
    local open = entry.arguments:find("...", 1, true) ~= nil
    local info = debug.getinfo(real[entry.name], "u")
    local own = entry.call:find ":" and 1 or 0
    assert.equal(info.nparams, count + own, entry.call)
    assert.equal(info.isvararg, open, entry.call)
    assert.same(count + (open and 1 or 0), #entry.params, entry.call .. ": a parameter is not described")
  end
end

describe("the description of the API", function()
  it("says something of everything in it", function()
    local count = 0
    for _, class in ipairs(reference.classes()) do
      assert.is_true(#class.doc > 5, class.name)
      for _, field in ipairs(class.fields) do
        assert.is_true(field.name == "[string]" or #field.doc > 3, class.name .. "." .. field.name)
      end
      for _, entry in ipairs(class.functions) do
        assert.is_true(#entry.doc > 5, entry.call)
        for i, param in ipairs(entry.params) do
          assert.is_true(entry.arguments:find(param.name, 1, true) ~= nil, entry.call .. " " .. i)
          assert.truthy(param.type ~= "", entry.call)
        end
        count = count + 1
      end
    end
    assert.is_true(count > 90)
  end)

  it("has the modules that the README lets a policy require, and all their functions", function()
    local listed, found = {}, {}
    for row in process.file("README.md"):match("\n| module | |\n(.-)\n\n"):gmatch "[^\n]+" do
      for name in row:gmatch "`(moongate%.[%w_]+)`" do listed[#listed + 1] = name end
    end
    for _, class in ipairs(reference.classes()) do
      local real = class.name:find "^moongate%.%l" and require(class.name)
      if real then
        local functions, values = {}, {}
        for name, value in pairs(real) do
          local internal = (INTERNAL[class.name] or {})[name]
          if type(value) == "function" and not internal then functions[name] = value end
          if type(value) ~= "function" and not name:find "^_" then values[#values + 1] = name end
        end
        if class.name == "moongate.regex" then functions = { compile = functions.compile } end -- else: its objects
        compare(class.name, functions)
        table.sort(values)
        assert.same(values, names_of(class.fields), class.name)
        if class.name ~= "moongate.test" then found[#found + 1] = class.name end
      end
    end
    table.sort(listed)
    table.sort(found)
    assert.same(listed, found)
  end)

  it("has what ctx, its messages and its headers have", function()
    local ctx, message = require "moongate.ctx", require "moongate.message"
    local index = upvalue(ctx.new, "mt", 0).__index
    compare("moongate.Ctx", upvalue(index, "methods", 0))
    local fields = keys_of(upvalue(index, "get", 0), { req = 1, res = 1, peer = 1 })
    assert.same(fields, names_of(class_of("moongate.Ctx").fields))
    assert.same(keys_of(upvalue(upvalue(ctx.new, "peer_mt", 0).__index, "peer_get", 0)),
      names_of(class_of("moongate.Peer").fields))

    index = upvalue(message.request, "req_mt", 0).__index
    compare("moongate.Request", upvalue(index, "req_methods", 0))
    assert.same(keys_of(upvalue(index, "req_get", 0), { headers = 1 }), names_of(class_of("moongate.Request").fields))
    compare("moongate.Response", upvalue(upvalue(message.response, "res_mt", 0).__index, "res_methods", 0))
    local headers = require("moongate.headers")
    compare("moongate.Headers", upvalue(upvalue(headers.new, "mt", 0).__index, "methods", 0))
  end)

  it("has what the modules' objects have", function()
    local metrics = require "moongate.metrics"
    compare("moongate.Dictionary", upvalue(require("moongate.shared").open, "methods", 0))
    local kinds = upvalue(metrics.counter, "KINDS", 1)
    for class, kind in pairs { Counter = "counter", Gauge = "gauge", Histogram = "histogram" } do
      local methods = {}
      for name, fn in pairs(kinds[kind].series) do
        if name ~= "__index" then methods[name] = fn end
      end
      compare("moongate." .. class, methods)
    end
    local function methods_of(t)
      local methods = {}
      for name, fn in pairs(t) do
        if type(fn) == "function" and name ~= "compile" then methods[name] = fn end
      end
      return methods
    end
    compare("moongate.Socket", methods_of(upvalue(require("moongate.socket").connect, "methods", 0)))
    compare("moongate.Redis", methods_of(upvalue(require("moongate.redis").new, "methods", 0)))
    compare("moongate.Exporter", methods_of(upvalue(require("moongate.otlp").exporter, "methods", 0)))
    compare("moongate.Regex", methods_of(require "moongate.regex"))
    compare("moongate.KeySet", methods_of(upvalue(require("moongate.jwk").read, "set", 0)))
    local log = dofile "lua/moongate/log.lua" -- the kit, once it is loaded, has put others in place of some
    compare("moongate.Sink", methods_of(upvalue(log.sink, "sink", 0)))
    local test = require "moongate.test"
    local gateway = upvalue(test.gateway, "gateway", 0)
    compare("moongate.TestGateway", methods_of(gateway))
    compare("moongate.TestPending", methods_of(upvalue(gateway.begin, "pending", 0)))
    local upstream = methods_of(require "moongate.test.upstream")
    compare("moongate.TestUpstream", { answers = upstream.answers })
  end)

  it("has the fields of a policy and of a setting", function()
    local form = upvalue(require("moongate.policy").load, "FIELDS", 2)
    assert.same(keys_of(form), names_of(class_of("moongate.Policy").fields))
    local body = {}
    for _, field in ipairs(upvalue(require("moongate.policy").load, "BODY", 2)) do body[field[1]] = true end
    assert.same(keys_of(body), names_of(class_of("moongate.Body").fields))
  end)
end)

describe("reference", function()
  it("finds a name however it is asked for", function()
    for _, name in ipairs { "moongate.http", "http", "ctx", "ctx.req", "moongate.Ctx", "headers", "canary",
      "ctx:respond", "ctx.respond", "ctx.req.path", "ctx.req:cookie", "http.request", "dictionary:incr", "rbac" } do
      assert.truthy(text.of(name), name)
    end
    assert.truthy(text.of("ctx:respond"):find("ctx:respond(status, body, headers) -> moongate.Response", 1, true))
    assert.truthy(text.of("ctx.req.path"):find("path (string)", 1, true))
    assert.truthy(text.of("ctx.req"):find("req:cookie(name)", 1, true))
    local nothing, why = text.of "ctx:repsond"
    assert.is_nil(nothing)
    assert.equal("nothing is called 'ctx:repsond'; did you mean 'ctx:respond'?", why)
  end)

  it("splits what an annotation says", function()
    local class = reference.parse([[
--- A thing.
---@class moongate.Thing
---@field a? { b: string, c?: fun(x: any): string? }[] Text, of it.
local thing = {}

--- Does.
---@param one string|number
---@return table<string, string[]>? got What it got.
function thing:does(one) end
]])[1]
    assert.same({ name = "a", optional = true, type = "{ b: string, c?: fun(x: any): string? }[]",
      doc = "Text, of it." }, class.fields[1])
    assert.same({ { name = "one", optional = false, type = "string|number", doc = "" } }, class.functions[1].params)
    assert.same({ { type = "table<string, string[]>?", doc = "got What it got." } }, class.functions[1].returns)
  end)
end)
