--- The price list of the API: a price, or a reason for none, for all that policies may call; and each call works.
require "spec.support.init"
local api = require "spec.bench.api"
local prices = require "spec.bench.prices"
local reference = require "moongate.reference"

describe("the price list", function()
  it("leaves nothing out, and has nothing that is not described", function()
    local list, missing = prices.list(reference.classes())
    assert.same({}, missing)
    local known = {}
    for _, entry in ipairs(list) do known[entry.name] = true end
    for name in pairs(prices.calls) do assert.is_true(known[name], name) end
  end)

  it("calls what it prices", function()
    local rows = api.run(3)
    assert.is_true(#rows > 100)
    assert.truthy(api.text(rows):find("\n| `headers:get` | %d+ |\n"))
  end)
end)
