--- lua/moongate/api, held against what a policy really reaches: nothing is missing, nothing is made up.
require "spec.support.init"
require "spec.support.fake_abi"
local process = require "spec.support.process"
local reference = require "moongate.reference"
local text = require "moongate.reference.text"

-- What the gateway's own modules call, and policies have no use for.
local INTERNAL = { ["moongate.timer"] = { begin_load = true, end_load = true, run = true },
  ["moongate.test"] = { setup = true } }

-- The local table `name` of a module's file (or one that indexes closed objects and has the function `name`), found by
-- way of what the module's functions hold on to.
local function own_local(module, name)
  local file = "moongate/" .. module:gsub("^moongate%.", ""):gsub("%.", "/") .. ".lua"
  local seen, queue, found = {}, { require(module) }, nil
  local function visit(value)
    local kind = type(value)
    local holds = kind == "table" or kind == "function" or kind == "userdata"
    if holds and not seen[value] and value ~= _G and value ~= package.loaded then
      seen[value] = true
      queue[#queue + 1] = value
    end
  end
  local function look_into(value)
    local own = debug.getinfo(value, "S").source:sub(-#file) == file
    for i = 1, 60 do
      local key, upvalue = debug.getupvalue(value, i)
      if not key then return end
      if key == name and own and type(upvalue) == "table" then found = found or upvalue end
      visit(upvalue)
    end
  end
  for _, value in ipairs(queue) do
    if found or #queue > 20000 then break end
    local index = type(value) == "table" and rawget(value, "__index")
    local method = type(index) == "table" and rawget(index, name)
    if type(method) == "function" and debug.getinfo(method, "S").source:sub(-#file) == file then return index end
    if type(value) == "function" then
      look_into(value)
    else
      if type(value) == "table" then
        for _, item in next, value do visit(item) end
      end
      visit(debug.getmetatable(value)) -- that of a closed object, too
    end
  end
  return found
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

-- What a policy gets of a module, by name: what a sandbox opens, where there is one.
local function opened(name, real)
  local there, modules = pcall(require, "moongate.sandbox.modules")
  if there then
    local short = name:gsub("^moongate%.", "")
    local part = modules.open(short, "spec", false) or modules.open(short, "spec", true)
    if part then return part end
  end
  local found = {}
  for key, value in pairs(real) do
    if not key:find "^_" and not (INTERNAL[name] or {})[key] then found[key] = value end
  end
  return found
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
        for name, value in pairs(opened(class.name, real)) do
          if type(value) == "function" then functions[name] = value else values[#values + 1] = name end
        end
        compare(class.name, functions)
        table.sort(values)
        assert.same(values, names_of(class.fields), class.name)
        found[class.name] = true
      end
    end
    for _, name in ipairs(listed) do assert.truthy(found[name], name .. " is not described") end
    assert.is_true(#listed > 15)
  end)

  it("has what ctx, its messages and its headers have", function()
    compare("moongate.Ctx", own_local("moongate.ctx", "methods"))
    assert.same(keys_of(own_local("moongate.ctx", "get"), { req = 1, res = 1, peer = 1 }),
      names_of(class_of("moongate.Ctx").fields))
    for _, field in ipairs(class_of("moongate.Ctx").fields) do
      local shown, names = own_local("moongate.face", "VIEWS")[field.name], {}
      for name in field.type:gmatch "([%w_]+): " do names[#names + 1] = name end
      if shown then assert.same(shown, names, field.name) end
    end
    local peer = own_local("moongate.peer", "get")
    assert.same(keys_of(peer), names_of(class_of("moongate.Peer").fields))
    compare("moongate.Request", own_local("moongate.message", "req_methods"))
    assert.same(keys_of(own_local("moongate.message", "req_get"), { headers = 1, trailers = 1 }),
      names_of(class_of("moongate.Request").fields))
    compare("moongate.Response", own_local("moongate.message", "res_methods"))
    compare("moongate.Headers", own_local("moongate.headers", "methods"))
  end)

  it("has what the modules' objects have", function()
    local function methods_of(t)
      local methods = {}
      for name, fn in pairs(t) do
        if type(fn) == "function" and not name:find "^__" and name ~= "compile" then methods[name] = fn end
      end
      return methods
    end
    for class, place in pairs {
      Dictionary = { "shared", "swap" }, Socket = { "socket", "read_until" }, Redis = { "redis", "pipeline" },
      Waker = { "waker", "wake" },
      Exporter = { "otlp", "add" }, GzipStream = { "gzip", "push" }, Regex = { "regex", "rewrite_error" },
      Gauge = { "metrics", "set" }, Histogram = { "metrics", "observe" },
      TestGateway = { "test", "gateway" },
      TestPending = { "test", "pending" },
    } do
      local methods = own_local("moongate." .. place[1], place[2])
      compare("moongate." .. class, methods_of(assert(methods, class .. " is not found")))
    end
    package.loaded["moongate.log"] = nil -- the kit, once it is loaded, has put others in place of its functions
    compare("moongate.Sink", methods_of(own_local("moongate.log", "write")))
    local upstream = methods_of(require "moongate.test.upstream")
    compare("moongate.TestUpstream", { answers = upstream.answers })
  end)

  it("has the fields of a policy and of a setting", function()
    assert.same(keys_of(own_local("moongate.policy", "FIELDS")), names_of(class_of("moongate.Policy").fields))
    local body = {}
    for _, field in ipairs(own_local("moongate.policy", "BODY")) do body[field[1]] = true end
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
