require "spec.support.init"
local gzip = require "moongate.gzip"

local function encode(text)
  local encoder = assert(gzip.encoder(9))
  return assert(encoder:push(text, true))
end

describe("gzip", function()
  it("gives back what it was given, in pieces of any size", function()
    local text = ("moongate "):rep(30000)
    local encoded = encode(text)
    assert.is_true(#encoded < 2000)
    local decoder, parts = assert(gzip.decoder { ratio = 1000 }), {}
    for i = 1, #encoded, 7 do parts[#parts + 1] = assert(decoder:push(encoded:sub(i, i + 6), i + 6 >= #encoded)) end
    assert.is_true(table.concat(parts) == text)
    assert.same({ nil, "gzip: is closed" }, { decoder:push("", true) })
    assert.equal("", assert(gzip.decoder()):push("", true))
  end)

  it("lets every piece come out at once", function()
    local encoder, decoder = assert(gzip.encoder()), assert(gzip.decoder())
    for _, text in ipairs { "a", "bc", "", "d" } do assert.equal(text, decoder:push(encoder:push(text, false),
      false)) end
    assert.equal("end", decoder:push(encoder:push("end", true), true))
  end)

  it("refuses what is no gzip, what is cut and what swells", function()
    for _, bytes in ipairs { "plain", encode("text"):sub(1, -2), encode "text" .. "x", "\31\139" } do
      local decoder = assert(gzip.decoder())
      local text, why = decoder:push(bytes, true)
      assert.is_nil(text)
      assert.matches("^gzip: ", why)
    end
    local bomb = encode(("0"):rep(4000000))
    assert.is_nil((assert(gzip.decoder()):push(bomb, true)))
    assert.is_nil((assert(gzip.decoder { limit = 1000 }):push(bomb, true)))
    assert.equal(4000000, #assert(gzip.decoder { ratio = 1032 }):push(bomb, true))
  end)
end)
