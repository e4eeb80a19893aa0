require "spec.support.init"
local names = require "moongate.config.manifests.names"

describe("names of hosts", function()
  it("match as Istio's do: a * at the start is any text, also none", function()
    for _, row in ipairs {
      { "*.foo.com", "a.foo.com", true }, { "*.foo.com", "foo.com", false }, { "*foo.com", "foo.com", true },
      { "*foo.com", "xfoo.com", true }, { "*", "foo.com", true }, { "foo.com", "a.foo.com", false },
    } do
      assert.equal(row[3], names.host_matches(row[1], row[2]), row[1] .. " " .. row[2])
    end
  end)

  it("have the narrower of two in common", function()
    assert.equal("*.a.com", names.host_intersection("*.com", "*.a.com"))
    assert.equal("*.a.com", names.host_intersection("*.a.com", "*"))
    assert.is_nil(names.host_intersection("*.a.com", "*.b.com"))
  end)
end)
