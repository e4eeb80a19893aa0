require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local respond = require "policies.respond"

local function answer(settings) return respond.request(fake.conf(respond, settings), fake.new {}) end

describe("policy respond", function()
  it("answers 200 and nothing by default", function()
    local got = answer {}
    assert.same({ 200, "" }, { got.status, got.body })
  end)

  it("answers as it is told", function()
    local headers = { location = "/x", ["set-cookie"] = { "a=1", "b=2" } }
    local got = answer { status = 302, body = "there", headers = headers }
    assert.same({ 302, "there", "/x" }, { got.status, got.body, got.headers.location })
    assert.same({ "a=1", "b=2" }, got.headers:get_all("set-cookie"))
  end)

  it("tells the log why, as it is told", function()
    local ctx = fake.new {}
    respond.request(fake.conf(respond, { status = 404, flag = "NR", details = "route_not_found" }), ctx)
    assert.same({ "NR", "route_not_found" }, { ctx:flags_text(), ctx.details })
    assert.truthy(fake.mistakes(respond, { flag = "n r" })[1]:find("^flag: "))
  end)

  it("refuses a body where none can be, and bad headers", function()
    assert.truthy(fake.mistakes(respond, { status = 204, body = "x" })[1]:find("^body: "))
    assert.truthy(fake.mistakes(respond, { headers = { ["a\n"] = "x" } })[1]:find("^headers: "))
    assert.truthy(fake.mistakes(respond, { status = 99 })[1]:find("^status: "))
  end)
end)
