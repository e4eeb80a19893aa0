require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local canary = require "policies.canary"

local function run(settings, given, draw)
  fake.draws { draw or 0.5 }
  settings.service = "shop"
  local ctx = fake.new(given)
  local conf = fake.conf(canary, settings)
  canary.request(conf, ctx)
  canary.response(conf, ctx)
  return ctx.backend, ctx
end

describe("policy canary", function()
  it("sends everyone at 100 percent and no one at 0", function()
    local backend, ctx = run({ subset = "v2", percent = 100 }, {}, 0.999999)
    assert.same({ service = "shop", subset = "v2" }, backend)
    assert.equal("1", ctx.res.headers["x-canary"])
    backend, ctx = run({ percent = 0 }, {}, 0)
    assert.is_nil(backend)
    assert.is_nil(ctx.res.headers["x-canary"])
  end)

  it("draws those that have no key", function()
    for _, key in ipairs { "header", "cookie" } do
      assert.is_table(run({ percent = 10, [key] = "who" }, {}, 0.09))
      assert.is_nil(run({ percent = 10, [key] = "who" }, {}, 0.1))
    end
  end)

  it("keeps a client on its side, by header or cookie, and adds clients as percent grows", function()
    local picked = {}
    for percent = 0, 100, 10 do
      for i = 1, 50 do
        local header = run({ percent = percent, header = "x-user" }, { headers = { ["x-user"] = "u" .. i } }) ~= nil
        local cookie = run({ percent = percent, cookie = "who" }, { headers = { cookie = "a=b; who=u" .. i } }) ~= nil
        assert.equal(header, cookie)
        assert.is_false(picked[i] == true and not header)
        picked[i] = header
      end
    end
    assert.is_true(picked[1])
  end)

  it("marks with the header that is named, or with none", function()
    local _, ctx = run({ percent = 100, mark = "x-side" }, {})
    assert.equal("1", ctx.res.headers["x-side"])
    _, ctx = run({ percent = 100, mark = "" }, {})
    assert.equal(0, #ctx.res.headers.rows)
  end)

  it("refuses two keys", function()
    local settings = { service = "s", percent = 1, header = "a", cookie = "b" }
    assert.truthy(fake.mistakes(canary, settings)[1]:find("^cookie: "))
  end)
end)
