local policy = require "moongate.policy"

local function from_text(text)
  package.preload["policies.made_up"] = assert(loadstring(text))
  package.loaded["policies.made_up"] = nil
  local module, err = policy.load("made_up")
  package.preload["policies.made_up"] = nil
  return module, err
end

local function new_folder()
  local pipe = assert(io.popen("mktemp -d"))
  local name = pipe:read("*l")
  pipe:close()
  return name
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
end

describe("policy.load", function()
  local folder

  setup(function()
    folder = new_folder()
    policy.add_path("spec/support/policies")
    policy.add_path(folder)
    write(folder .. "/broken.lua", "local broken = {}\nfunction broken.request(\nreturn broken\n")
  end)
  teardown(function()
    os.remove(folder .. "/broken.lua")
    os.remove(folder)
  end)
  before_each(policy.forget)

  it("finds a policy in an added folder and completes its declarations", function()
    local tally = assert(policy.load("tally"))
    assert.equal("none", tally.body.request)
    assert.equal("none", tally.body.response)
    assert.equal(1048576, tally.body.limit)
  end)

  it("says where a syntax error is", function()
    local module, err = policy.load("broken")
    assert.is_nil(module)
    assert.matches("policy 'broken' does not load: " .. folder .. "/broken.lua:3: ", err, 1, true)
    assert.equal(err, select(2, policy.load("broken"))) -- and says the same when asked again
  end)

  it("suggests a name for an unknown one", function()
    assert.equal("unknown policy 'rbax'; did you mean 'rbac'?", select(2, policy.load("rbax")))
    assert.matches("^unknown policy '../x'", select(2, policy.load("../x")))
  end)

  it("knows the names of all policies that it brings", function()
    local stock = {}
    for _, name in ipairs(policy.stock) do stock[name] = true end
    local pipe = assert(io.popen("ls policies"))
    for name in pipe:lines() do assert.is_true(stock[name:gsub("%.lua$", "")], name) end
    pipe:close()
  end)

  it("tells an unknown policy from one that requires an unknown module", function()
    local _, err = from_text "require 'no.such.module'"
    assert.matches("^policy 'made_up' does not load: .*module 'no.such.module' not found", err)
  end)

  it("reads the file anew after forget()", function()
    local first = policy.load("tally")
    assert.equal(first, policy.load("tally"))
    policy.forget()
    assert.are_not.equal(first, policy.load("tally"))
  end)

  it("refuses malformed modules", function()
    local function reason(text) return (select(2, from_text(text))) end
    local prefix = "policy 'made_up' is malformed: "
    assert.equal(prefix .. "expected the module to return a table, got the boolean true", reason "")
    assert.equal(prefix .. "requst: unknown field of a policy; did you mean 'request'?",
      reason "return { requst = function() end }")
    assert.equal(prefix .. "log: expected a function, got a table", reason "return { log = {} }")
    assert.matches("at least one phase", reason "return {}")
    assert.matches('body.request: expected "chunks" or "whole"', reason "return { request_body = print }")
    assert.matches('request_body: is missing', reason "return { log = print, body = { request = 'chunks' } }")
    assert.matches("body.request: expected one of", reason "return { log = print, body = { request = 'all' } }")
    assert.matches("a: unknown type", reason "return { log = print, schema = { { 'a', type = 'b' } } }")
  end)

  it("takes a declared body", function()
    local module = assert(from_text "return { request_body = print, body = { request = 'whole', limit = '2MiB' } }")
    assert.same({ request = "whole", response = "none", limit = 2097152 }, module.body)
  end)
end)

describe("policy.settings", function()
  local function settings(conf)
    local found = {}
    local tally = assert(policy.load("tally"))
    local result = policy.settings(tally, conf, { "conf" }, function(path, message)
      found[#found + 1] = table.concat(path, ".") .. ": " .. message
    end)
    return result, found
  end

  it("checks by schema, then by the policy's own check", function()
    local conf, found = settings { pause = "1s" }
    assert.same({ count = 1, pause = 1000 }, conf)
    assert.same({}, found)
    assert.same({ "conf.count: expected a value of at least 1, got 0" }, select(2, settings { count = 0 }))
    assert.same({ "conf.rules.1.path: not together with a pause" }, select(2, settings { name = "both", pause = "1s" }))
  end)
end)
