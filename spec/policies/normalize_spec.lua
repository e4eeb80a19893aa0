require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local normalize = require "policies.normalize"

local function seen(settings, path)
  local ctx = fake.new { path = path, query = "q=/a/../b" }
  local answer = normalize.request(fake.conf(normalize, settings), ctx)
  return answer and answer.status or ctx.req.path, ctx
end

describe("policy normalize", function()
  it("changes the path by its mode and keeps the query", function()
    local path, ctx = seen({}, "/a/../b//c%2fd")
    assert.same({ "/b//c%2fd", "q=/a/../b" }, { path, ctx.req.query })
    assert.equal("/b/c%2fd", (seen({ mode = "merge_slashes" }, "/a/../b//c%2fd")))
    assert.equal("/b/c/d", (seen({ mode = "decode_and_merge_slashes" }, "/a/../b//c%2fd")))
  end)

  it("answers 400 to %00", function()
    local status, ctx = seen({}, "/a%00")
    assert.same({ 400, "path_normalization_failed" }, { status, ctx.details })
  end)

  it("refuses a mode that it does not know", function()
    assert.matches("mode: ", fake.mistakes(normalize, { mode = "none" })[1])
  end)
end)
