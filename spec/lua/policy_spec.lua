local policy = require "moongate.policy"

local folder

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

local function from_text(text)
  write(folder .. "/made_up.lua", text)
  policy.forget()
  return policy.load("made_up")
end

describe("policy.load", function()
  setup(function()
    folder = new_folder()
    policy.add_path("spec/support/policies")
    policy.add_path(folder)
    write(folder .. "/broken.lua", "local broken = {}\nfunction broken.request(\nreturn broken\n")
  end)
  teardown(function()
    os.remove(folder .. "/broken.lua")
    os.remove(folder .. "/made_up.lua")
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

  it("reads a file that has changed anew after forget(), and keeps the module of one that has not", function()
    local first = assert(from_text "return { log = print }")
    assert(policy.hand_over())
    assert.equal(first, from_text "return { log = print }")
    assert.are_not.equal(first, from_text "return { log = print } -- changed")
    assert.equal(first, from_text "return { log = print }") -- what serves is what was handed over to last
  end)

  describe("of files that are required later", function()
    local late

    before_each(function()
      os.execute("mkdir -p " .. folder .. "/made_up")
      late = folder .. "/made_up/late.lua"
      write(late, "return 'as it was'")
    end)
    after_each(function() os.execute("rm -r " .. folder .. "/made_up") end)

    local LATER = "return { log = function(name) return name and require(name) or require 'policies.made_up.late' end }"

    it("keeps those that are named as they were", function()
      local module = assert(from_text(LATER))
      write(late, "return 'as it is'")
      assert.equal("as it was", module.log())
      assert.equal("as it was", module.log "policies.made_up.late")
    end)

    it("gives them to processes that have not read the config", function()
      assert(from_text(LATER))
      local given = policy.sources()
      write(late, "return 'as it is'")
      policy.forget(given)
      assert.equal("as it was", assert(policy.load "made_up").log())
    end)

    it("loads anew where one has come that was not there", function()
      os.remove(late)
      local text = "local ok = pcall(require, 'policies.made_up.late') return { log = function() return ok end }"
      assert.is_false(assert(from_text(text)).log())
      assert(policy.hand_over())
      -- As a process gives it that has read the config now.
      local known = policy.sources().made_up
      local files = { known.files[1], { name = "policies.made_up.late", text = "return 1", chunkname = "@" .. late } }
      local given = { made_up = { stock = known.stock, files = files } }
      policy.forget(given)
      assert.is_true(assert(policy.load "made_up").log())
    end)

    it("says at once where one of them is no Lua, and loads anew where one has changed", function()
      local first = assert(from_text(LATER))
      assert(policy.hand_over())
      assert.equal(first, from_text(LATER))
      write(late, "return 'as it is'")
      assert.equal("as it is", assert(from_text(LATER)).log())
      write(late, "return\nreturn")
      assert.matches("policy 'made_up' does not load: " .. late .. ":2: ", select(2, from_text(LATER)), 1, true)
    end)

    it("refuses others", function()
      write(folder .. "/made_up/other.lua", "return 1")
      local module = assert(from_text(LATER))
      local ok, err = pcall(module.log, "policies.made_up.other")
      assert.is_false(ok)
      assert.matches("module 'policies.made_up.other' not found: .* or named in one when the policy was loaded", err)
    end)
  end)

  it("takes a folder's file before what comes with moongate, and lets it require its own files alone", function()
    local _, err = from_text "require 'policies.tally' return { log = print }"
    assert.matches("module 'policies.tally' not found: it is none that a policy may require", err, 1, true)
    assert.matches("loop in require: 'policies.made_up'",
      select(2, from_text "require 'policies.made_up' return { log = print }"), 1, true)
  end)

  it("refuses malformed modules", function()
    local function reason(text) return (select(2, from_text(text))) end
    local prefix = "policy 'made_up' is malformed: "
    assert.equal(prefix .. "expected the module to return a table, got nothing", reason "")
    assert.equal(prefix .. "expected a table without a metatable",
      reason "return setmetatable({}, { __index = function() while true do end end })")
    assert.equal(prefix .. "requst: unknown field of a policy; did you mean 'request'?",
      reason "return { requst = function() end }")
    assert.equal(prefix .. "log: expected a function, got a table", reason "return { log = {} }")
    assert.matches("at least one phase", reason "return {}")
    assert.matches('body.request: expected "chunks" or "whole"', reason "return { request_body = print }")
    assert.matches('request_body: is missing', reason "return { log = print, body = { request = 'chunks' } }")
    assert.matches("body.request: expected one of", reason "return { log = print, body = { request = 'all' } }")
    assert.matches("body: expected a table or a function", reason "return { log = print, body = 'chunks' }")
    assert.matches("field 'shadow': each use of any policy has it",
      reason "return { log = print, schema = { { 'shadow', type = 'boolean' } } }")
    assert.matches("a: unknown type", reason "return { log = print, schema = { { 'a', type = 'b' } } }")
  end)

  it("asks a policy what body each use wants", function()
    local module = assert(from_text [[
      return { response_body = print, body = function(conf) return { response = conf.kind, hold = true } end }]])
    assert.same({ request = "none", response = "chunks", limit = 1048576, hold = true },
      policy.body(module, { kind = "chunks" }))
    assert.equal("none", policy.body(module, {}).response)
    local body, why = policy.body(module, { kind = "all" })
    assert.is_nil(body)
    assert.matches("^body.response: expected one of", why)
    local raises = assert(from_text "return { log = print, body = function() error 'oops' end }")
    assert.matches("oops$", select(2, policy.body(raises, {})))
    local odd = assert(from_text "return { log = print, body = function() return 5 end }")
    assert.equal("body: expected the function to return a table, got the number 5", select(2, policy.body(odd, {})))
    assert.equal("none", policy.body(assert(from_text "return { log = print }"), {}).request)
  end)
end)

describe("policy.hand_over", function()
  setup(function()
    folder = new_folder()
    policy.add_path(folder)
  end)
  teardown(function()
    os.remove(folder .. "/made_up.lua")
    os.remove(folder)
  end)

  local function serve(text)
    local module = assert(from_text(text))
    return module, policy.hand_over()
  end

  before_each(function() assert.is_true(select(2, serve "return { log = print }")) end)

  it("gives a changed policy the state of the one that served, in the table that it declared", function()
    local old = serve "local p = { state = { seen = {}, n = 0 } } function p.log() end return p"
    old.state.seen.ada, old.state.n = true, 3
    local new = serve "local s = { seen = {}, n = 0 } return { state = s, log = function() return s end }"
    assert.are_not.equal(old, new)
    assert.same({ seen = { ada = true }, n = 3 }, new.log())
  end)

  it("asks the policy's own migrate() where the form has changed", function()
    local old = serve "return { state = { n = 0 }, log = print }"
    old.state.n = 4
    local new = serve [[local p = { state = { count = "" }, log = print }
      function p.migrate(before) return { count = "n" .. before.n } end
      return p]]
    assert.same({ count = "n4" }, new.state)
    new = serve [[local p = { state = { count = "", more = 7 }, log = print }
      function p.migrate(before) return { count = before.count .. "!" } end
      return p]]
    assert.same({ count = "n4!", more = 7 }, new.state)
    new = serve [[local p = { state = { count = "", more = 7, last = true }, log = print }
      function p.migrate(before)
        before.count, before.more = before.count .. "?", nil
        return before
      end
      return p]]
    assert.same({ count = "n4!?", more = 7, last = true }, new.state)
  end)

  it("keeps the old one where that fails, and says where", function()
    local old = serve "return { state = { n = 0 }, log = print }"
    local _, taken, err = serve "return { state = { m = 0 }, log = print }"
    assert.is_nil(taken)
    assert.equal(("policy 'made_up': %s/made_up.lua: the form of its state changed, and there is no function migrate")
      :format(folder), err)
    _, taken, err = serve "return { state = { m = 0 }, log = print,\nmigrate = function() return 5 end }"
    assert.is_nil(taken)
    assert.equal(("policy 'made_up': migrate: %s/made_up.lua:2: expected it to return a table, got a number")
      :format(folder), err)
    _, taken, err = serve "return { state = { m = 0 }, log = print,\nmigrate = function() error 'no way' end }"
    assert.is_nil(taken)
    assert.matches("policy 'made_up': migrate: " .. folder .. "/made_up.lua:2: no way", err, 1, true)
    assert.equal(old, from_text "return { state = { n = 0 }, log = print }")
  end)

  it("takes a declared body", function()
    local module = assert(from_text "return { request_body = print, body = { request = 'whole', limit = '2MiB' } }")
    assert.same({ request = "whole", response = "none", limit = 2097152, hold = false }, module.body)
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

  it("takes no table that holds itself", function()
    local module = { schema = { { "map", type = "map" }, { "list", type = "list" }, { "any", type = "any" } } }
    local function found(conf)
      local said = {}
      policy.settings(module, conf, { "conf" }, function(path, message)
        said[#said + 1] = table.concat(path, ".") .. ": " .. message
      end)
      return said
    end
    local map, list, shared = { a = { b = {} } }, { {} }, { x = { 1 } }
    assert.same({}, found { map = { a = shared, b = { shared, shared.x } }, list = { shared, shared }, any = shared })
    map.a.b.c, list[1][1] = map.a, list
    assert.same({ "conf.map: a table that holds itself" }, found { map = map })
    assert.same({ "conf.list: a table that holds itself" }, found { list = list })
    assert.same({ "conf.any: a table that holds itself" }, found { any = list })
  end)
end)
