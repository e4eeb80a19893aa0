require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local request_id = require "policies.request_id"

local function run(settings, given)
  local ctx, conf = fake.new(given), fake.conf(request_id, settings)
  request_id.request(conf, ctx)
  request_id.response(conf, ctx)
  return ctx.req.headers, ctx.res.headers
end

describe("policy request_id", function()
  it("sends the gateway's id upstream and back", function()
    local req, res = run({}, { request_id = "id-1", headers = { ["x-request-id"] = "forged" } })
    assert.same({ "id-1" }, req:get_all("x-request-id"))
    assert.equal("id-1", res["x-request-id"])
  end)

  it("keeps the client's id when told to, unless it is unfit", function()
    local given = { request_id = "id-1", headers = { ["x-id"] = "mine" } }
    assert.equal("mine", run({ keep = true, header = "x-id" }, given)["x-id"])
    for _, unfit in ipairs { "", "a b", ("x"):rep(301) } do
      local req = run({ keep = true }, { request_id = "id-1", headers = { ["x-request-id"] = unfit } })
      assert.equal("id-1", req["x-request-id"])
    end
  end)

  it("does not echo when told not to", function()
    local _, res = run({ echo = false }, {})
    assert.is_nil(res["x-request-id"])
  end)
end)
