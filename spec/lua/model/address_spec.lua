local address = require "moongate.model.address"

describe("address", function()
  it("splits host and port", function()
    assert.same({ "127.0.0.1", 80 }, { address.parse("127.0.0.1:80") })
    assert.same({ "api.default.svc", 8080 }, { address.parse("api.default.svc:8080") })
    assert.same({ "::1", 65535 }, { address.parse("[::1]:65535") })
  end)

  it("refuses what is no address", function()
    for _, text in ipairs { "", "host", "host:", ":80", "host:0", "host:65536", "host:8x", "::1:80", "[1.2.3.4]:80",
                            "a b:80", "-a:80", "1.2.3:80", "256.1.1.1:80", "[:::]:80", "[1::2::3]:80", "a..b:80" } do
      assert.is_nil((address.parse(text)), text)
    end
  end)

  it("knows IP addresses", function()
    for _, text in ipairs { "0.0.0.0", "::", "::1", "2001:db8::417a", "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8" } do
      assert.is_true(address.is_ip(text), text)
    end
    for _, text in ipairs { "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", ":1", "1:", "g::", "1.2.3", "" } do
      assert.is_false(address.is_ip(text), text)
    end
    assert.is_nil((address.parse_ip("localhost:80")))
    assert.equal("0.0.0.0", (address.parse_ip("0.0.0.0:80")))
  end)

  it("reads host patterns", function()
    for text, pattern in pairs { ["Shop.Example"] = "shop.example", ["*.Example"] = "*.example", ["*"] = "*",
                                 ["10.0.0.1"] = "10.0.0.1", ["[::1]"] = "[::1]", ["a_b"] = "a_b" } do
      assert.equal(pattern, address.host_pattern(text))
    end
    assert.matches("without a port", select(2, address.host_pattern("shop.example:80")))
    for _, text in ipairs { "", "*shop", "a.*.b", "*.", "shop/", "*.*", "a b" } do
      assert.is_nil((address.host_pattern(text)), text)
    end
  end)
end)
