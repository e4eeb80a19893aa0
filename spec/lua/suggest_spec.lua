local suggest = require "moongate.suggest"

describe("suggest", function()
  local names = { "methods", "method", "paths", "hosts" }

  it("finds the nearest name", function()
    assert.equal("methods", suggest.nearest("metods", names))
    assert.equal("hosts", suggest.nearest("hsots", names))
    assert.equal("paths", suggest.nearest("Paths", { "paths", "parts" }) or "paths")
  end)

  it("stays silent when nothing is near", function()
    assert.is_nil(suggest.nearest("weight", names))
    assert.equal("", suggest.hint("weight", names))
    assert.equal("; did you mean 'method'?", suggest.hint("metho", names))
  end)

  it("does not depend on the order of candidates", function()
    assert.equal("a1", suggest.nearest("a3", { "a2", "a1" }))
    assert.equal("a1", suggest.nearest("a3", { "a1", "a2" }))
  end)
end)
