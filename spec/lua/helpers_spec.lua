require "spec.support.init"
local abi = require "spec.support.fake_abi"
local base64 = require "moongate.base64"
local cookie = require "moongate.cookie"
local hash = require "moongate.hash"
local log = require "moongate.log"
local query = require "moongate.query"
local random = require "moongate.random"
local time = require "moongate.time"

describe("cookie.get", function()
  it("finds a cookie among others, quotes taken off", function()
    assert.equal("2", cookie.get("a=1; b=2;c=3", "b"))
    assert.equal("3", cookie.get("a=1; b=2;c=3", "c"))
    assert.equal("x y", cookie.get('a="x y"', "a"))
    assert.equal("", cookie.get("a=; b=1", "a"))
    assert.equal("k=v", cookie.get("a=k=v", "a"))
    assert.equal("3", cookie.get(" b ; a\t=\t3 ;a=4", "a"))
    assert.equal("2", cookie.get("=1;a=2", "a"))
    assert.equal("1", cookie.get("=1;a=2", ""))
  end)
  it("finds nothing else", function()
    assert.is_nil(cookie.get("ab=1", "b"))
    assert.is_nil(cookie.get("A=1", "a"))
    assert.is_nil(cookie.get("", "a"))
    assert.is_nil(cookie.get(";;a;", "a"))
    assert.is_nil(cookie.get("a;b=1", "a"))
  end)
end)

describe("query", function()
  it("decodes and encodes", function()
    assert.equal("a b&c%zz", query.decode("a+b%26c%zz"))
    assert.equal("a%20b%26~", query.encode("a b&~"))
  end)
  it("gives parameters in order", function()
    local seen = {}
    for name, value in query.each("&a=1&b&&c=%3D=&a=2&=x&") do seen[#seen + 1] = name .. ":" .. value end
    assert.same({ "a:1", "b:", "c:==", "a:2", ":x" }, seen)
    assert.equal("=2", query.get("b&%61=%3d2", "a"))
    assert.equal("", query.get("b&a=1", "b"))
    assert.equal("1", query.get("a=1&a=2", "a"))
    assert.is_nil(query.get("a=1", "b"))
    assert.same({ "1", "", "&" }, query.get_all("a=1&b=3&%61&a=%26", "a"))
    assert.is_nil(query.get_all("", "a"))
  end)
end)

describe("base64", function()
  local vectors = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=" }
  it("knows the vectors of RFC 4648", function()
    for plain, text in pairs(vectors) do
      assert.equal(text, base64.encode(plain))
      assert.equal(plain, base64.decode(text))
      assert.equal((text:gsub("=", "")), base64.encode_url(plain))
      assert.equal(plain, base64.decode_url((text:gsub("=", ""))))
    end
  end)
  it("keeps every byte, in both alphabets", function()
    local bytes = {}
    for i = 0, 255 do bytes[i + 1] = string.char(255 - i) end
    bytes = table.concat(bytes)
    assert.equal(bytes, base64.decode(base64.encode(bytes)))
    assert.equal(bytes, base64.decode_url(base64.encode_url(bytes)))
    assert.equal("-_8", base64.encode_url("\251\255"))
  end)
  it("refuses what is no base64", function()
    for _, text in ipairs { "Zg", "Zg=", "Z===", "Zh==", "Z g=", "Zg==Zg==", "-_8=" } do
      assert.is_nil(base64.decode(text), text)
    end
    assert.is_nil(base64.decode_url("Zg=="))
    assert.is_nil(base64.decode_url("Z"))
    assert.is_nil(base64.decode_url("+/8"))
  end)
end)

describe("hash", function()
  it("is steady: the published values of one-at-a-time", function()
    assert.equal(0xca2e9442, hash.u32("a"))
    assert.equal(0x519e91f5, hash.u32("The quick brown fox jumps over the lazy dog"))
    assert.equal(0xca2e9442 / 2 ^ 32, hash.unit("a"))
  end)
  it("spreads keys evenly", function()
    local low = 0
    for i = 1, 10000 do low = low + (hash.unit("user-" .. i) < 0.1 and 1 or 0) end
    assert.is_true(low > 850 and low < 1150, "10 percent of 10000 keys, got " .. low)
  end)
  it("writes bytes as hex", function() assert.equal("00ff10", hash.hex("\0\255\16")) end)
end)

describe("time", function()
  it("writes dates as HTTP and RFC 3339 do", function()
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", time.http_date(784111777))
    assert.equal("1994-11-06T08:49:37.250Z", time.rfc3339(784111777.25))
    assert.equal("1994-11-06T08:49:38.000Z", time.rfc3339(784111777.9996))
  end)
  it("makes the date of now anew each second", function()
    abi.wall_time = 784111777.1
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", time.http_date_now())
    abi.wall_time = 784111778.0
    assert.equal("Sun, 06 Nov 1994 08:49:38 GMT", time.http_date_now())
  end)
end)

describe("log", function()
  before_each(abi.reset)
  it("adds fields in order, quoted where needed", function()
    log.warn("it broke", { b = 1, a = "x y", c = 'q"', d = "l1\nl2", e = "" })
    assert.same({ [[2 it broke a="x y" b=1 c="q\"" d="l1\nl2" e=""]] }, abi.logged)
  end)
  it("opens sinks, or says why not", function()
    log.sink("stdout"):write("one")
    assert.same({ "one" }, abi.lines)
    local sink, why = log.sink("/nowhere/x")
    assert.is_nil(sink)
    assert.truthy(why:find("^/nowhere/x: "))
  end)
end)

describe("random", function()
  it("makes version 4 UUIDs", function()
    assert.truthy(random.uuid():find("^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"))
  end)
end)
