require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local misdirected = require "policies.misdirected"

-- The status for a request for `host` on a connection that named `sni`; nil: it goes on.
local function status(patterns, sni, host, listener)
  local ctx = fake.new { authority = host, listener = { name = listener or "web" },
    peer = { tls = true, certificate = { sni = sni } } }
  local answer = misdirected.request(fake.conf(misdirected, { listeners = { web = patterns } }), ctx)
  return answer and answer.status
end

describe("policy misdirected", function()
  local patterns = { "*", "second.example", "*.wild.example", "fourth.wild.example" }

  it("lets a host pass on a connection for the same pattern", function()
    assert.is_nil(status(patterns, "second.example", "second.example"))
    assert.is_nil(status(patterns, "third.wild.example", "fifth.wild.example"))
    assert.is_nil(status(patterns, "other.example", "first.example"))
    assert.is_nil(status(patterns, "SECOND.example", "second.example:443"))
  end)

  it("answers 421 on a connection for another one", function()
    assert.equal(421, status(patterns, "first.example", "second.example"))
    assert.equal(421, status(patterns, "second.example", "first.example"))
    assert.equal(421, status(patterns, "third.wild.example", "fourth.wild.example"))
    assert.equal(421, status({ "*.wild.example" }, "other.example", "a.wild.example"))
  end)

  it("leaves to the routes what no pattern takes, what named nothing and other listeners", function()
    assert.is_nil(status({ "second.example" }, "second.example", "first.example"))
    assert.is_nil(status(patterns, nil, "second.example"))
    assert.is_nil(status(patterns, "first.example", "second.example", "side"))
  end)
end)
