--- spec/support/fake_ctx.lua, held against the description of the real ctx: a spec of a policy uses nothing else.
require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local reference = require "moongate.reference"

local NOT_FAKED = { ["moongate.Ctx"] = { read_body = true, replace_body = true } } -- they wait for a real exchange
local RESULTS = { slept = true, woken = true, flag_list = true, bytes = true, rows = true } -- what specs look at

local function classes(ctx)
  return { ["moongate.Ctx"] = ctx, ["moongate.Request"] = ctx.req, ["moongate.Response"] = ctx.res,
    ["moongate.Headers"] = ctx.req.headers, ["moongate.Peer"] = ctx.peer }
end

local function described(name)
  for _, class in ipairs(reference.classes()) do
    if class.name == name then return class end
  end
end

describe("the fake ctx", function()
  it("has every function of the real one", function()
    for name, object in pairs(classes(fake.new())) do
      for _, entry in ipairs(described(name).functions) do
        local there = type(object[entry.name]) == "function"
        assert.equal(not (NOT_FAKED[name] or {})[entry.name], there, name .. "." .. entry.name)
      end
    end
  end)

  it("has no field that the real one lacks", function()
    for name, object in pairs(classes(fake.new { query = "a=1", body = "x", response_body = "y" })) do
      local known = {}
      for _, field in ipairs(described(name).fields) do known[field.name] = true end
      for key in next, object do
        assert.is_truthy(known[key] or RESULTS[key] or key:find "^_", name .. "." .. key)
      end
    end
  end)
end)
