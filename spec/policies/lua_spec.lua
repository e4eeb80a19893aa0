require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local lua = require "policies.lua"

describe("policy lua", function()
  it("answers, changes and logs", function()
    local conf = fake.conf(lua, {
      request = 'if ctx.req.path == "/no" then return ctx:respond(403, "no") end ctx.own.seen = true',
      response = 'ctx.res.headers["x-a"] = "1"', log = "ctx.own.logged = ctx.own.seen",
    })
    local ctx = fake.new {}
    assert.is_nil(lua.request(conf, ctx))
    lua.response(conf, ctx)
    lua.log(conf, ctx)
    assert.equal("1", ctx.res.headers["x-a"])
    assert.is_true(ctx.own.logged)
    assert.equal(403, lua.request(conf, fake.new { path = "/no" }).status)
  end)

  it("does nothing in a phase that has no text", function()
    local conf = fake.conf(lua, { log = "local x = ctx" })
    assert.is_nil(lua.request(conf, fake.new {}))
    assert.is_nil(lua.response(conf, fake.new {}))
  end)

  it("keeps globals from request to request, of one use, and nowhere else", function()
    local settings = { request = "n = (n or 0) + 1 return ctx:respond(200, tostring(n))" }
    local one, other = fake.conf(lua, settings), fake.conf(lua, settings)
    assert.equal("1", lua.request(one, fake.new {}).body)
    assert.equal("2", lua.request(one, fake.new {}).body)
    assert.equal("1", lua.request(other, fake.new {}).body)
    assert.is_nil(rawget(_G, "n"))
  end)

  it("names file and line of what is wrong", function()
    local code = { text = "local a = 1\nlocal b = = 2", file = "my/gateway.lua", line = 7 }
    assert.same({ "request: my/gateway.lua:8: unexpected symbol near '='" }, (fake.mistakes(lua, { request = code })))
    code = { text = "local a = 1\nerror('oops')", file = "my/gateway.lua", line = 7 }
    local conf = fake.conf(lua, { request = code })
    local ok, err = pcall(lua.request, conf, fake.new {})
    assert.is_false(ok)
    assert.equal("my/gateway.lua:8: oops", err)
  end)

  it("wants a text for some phase, and no bytecode", function()
    assert.equal(1, #fake.mistakes(lua, {}))
    assert.equal(1, #fake.mistakes(lua, { request = string.dump(function() end) }))
    assert.equal(1, #fake.mistakes(lua, { request = 7 }))
  end)
end)
