--- The sandbox of policies: every attempt of spec/support/escapes.lua fails, and hurts nobody else.
local escapes = require "spec.support.escapes"
local gateway = require "spec.support.gateway"

local POLICIES = {
  -- Answers what a request's body, run as code, got hold of.
  ["escape.lua"] = [[
    local escape = { body = { request = "whole" } }
    function escape.request_body(_, ctx, bytes)
      local code, err = load("local ctx = ... " .. bytes, "=attempt")
      if not code then return ctx:respond(400, err) end
      local ok, got = pcall(code, ctx)
      return ctx:respond(200, ok and got and "escaped: " .. tostring(got) or "held")
    end
    return escape]],
  -- Says "sound" as long as all that it uses is what it was.
  ["witness.lua"] = [[
    local json = require "moongate.json"
    local witness = {}
    function witness.request(_, ctx) ctx.own.secret = "kept" end
    function witness.response(_, ctx)
      local said = table.concat({ ("sound"):upper(), tostring(1), json.encode { a = 1 }, tostring(escaped),
        ctx.own.secret, ctx.req.headers:get "x-mark", tostring(no_such_global) }, " ")
      ctx.res.headers["x-witness"] = said
    end
    return witness]],
}

local SOUND = 'SOUND 1 {"a":1} nil kept mark nil'

describe("escapes", function()
  local gw

  setup(function()
    gw = gateway.start {
      files = POLICIES, args = { "--policy-path", "$folder" },
      config = [[return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = { { name = "all", policies = { "witness", "escape" } } },
      }]],
    }
  end)
  teardown(gateway.stop_all)

  local function try(code)
    return gw:ask { method = "POST", path = "/", headers = { ["x-mark"] = "mark" }, body = code }
  end

  it("sees an escape where there is one", function()
    assert.equal("escaped: true", try("return true").body)
    assert.equal(SOUND, try("return true").headers["x-witness"])
  end)

  for _, attempt in ipairs(escapes) do
    it("are stopped: " .. attempt[1], function()
      local answer = try(attempt[2])
      assert.equal(200, answer.status)
      assert.equal("held", answer.body, attempt[1])
      assert.equal(SOUND, answer.headers["x-witness"])
      assert.equal(SOUND, try("return true").headers["x-witness"])
    end)
  end
end)
