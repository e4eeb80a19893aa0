require "spec.support.init"
require "spec.support.fake_abi"
local base64 = require "moongate.base64"
local claims = require "moongate.claims"
local hash = require "moongate.hash"
local json = require "moongate.json"
local jwk = require "moongate.jwk"
local jwt = require "moongate.jwt"

local function part(value) return base64.encode_url(type(value) == "string" and value or assert(json.encode(value))) end

local function token(header, payload, signature)
  return part(header) .. "." .. part(payload) .. "." .. base64.encode_url(signature or "x")
end

local function reason(text) return (select(2, jwt.parse(text))) end

describe("jwt.parse", function()
  local HEADER = { alg = "HS256", kid = "a" }

  it("reads a token, and says nothing about its truth", function()
    local text = token(HEADER, { iss = "me", sub = "ada", aud = "x", exp = 5, nbf = 1, n = 1 }, "bytes")
    local read = assert(jwt.parse(text))
    assert.same({ "HS256", "a", "me", "ada", { "x" }, 5, 1, "bytes", 1 }, { read.alg, read.kid, read.iss, read.sub,
      read.audiences, read.exp, read.nbf, read.signature, read.claims.n })
    assert.equal(text:match "^(.*)%.", read.signed)
  end)

  it("refuses what is no token", function()
    local FORM = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
    for _, text in ipairs { "", ".", "..", "a.b", "a..c", ".b.c", "a.b.", "a.b.c.d", "a.b.c.d.e",
      token(HEADER, ("x"):rep(20000)) } do
      assert.equal(FORM, reason(text))
    end
    local good = token(HEADER, { iss = "me" })
    for _, ending in ipairs { "=", "+", " ", "\0", "!" } do
      assert.equal("Jwt signature is an invalid Base64url encoded", reason(good .. ending))
    end
    assert.equal("Jwt header is an invalid Base64url encoded", reason("a." .. part {} .. ".x"))
    for _, text in ipairs { "", "[]", "1", "null", "{", '{"alg":"HS256"}x', "\0" } do
      local encoded = text == "" and "IA" or part(text)
      assert.equal("Jwt header is an invalid JSON", reason(encoded .. "." .. part { a = 1 } .. ".eA"))
      assert.equal("Jwt payload is an invalid JSON", reason(part(HEADER) .. "." .. encoded .. ".eA"))
    end
  end)

  it("refuses algorithms that are none, and extensions that must be understood", function()
    local function of(header) return reason(token(header, { iss = "me" })) end
    local WANTED = "Jwt header [alg] field is required and must be a string"
    assert.equal(WANTED, of '{"typ":"JWT"}')
    assert.equal(WANTED, of '{"alg":1}')
    assert.equal(WANTED, of '{"alg":["RS256"]}')
    for _, alg in ipairs { "none", "None", "NONE", "", "rs256", "RS1", "HS1", "EdDSA", "RSA-OAEP", "HS256 " } do
      assert.equal("Jwt header [alg] is not supported", of { alg = alg })
    end
    assert.equal("Jwt header [kid] field is not a string", of '{"alg":"RS256","kid":1}')
    assert.equal("Jwt header [crit] is not supported", of '{"alg":"RS256","crit":["b64"],"b64":false}')
  end)

  it("refuses claims of another type", function()
    local function of(payload) return reason(token(HEADER, payload)) end
    for _, name in ipairs { "iss", "sub", "jti" } do
      assert.equal(("Jwt payload [%s] field is not a string"):format(name), of(('{"%s":1}'):format(name)))
    end
    for _, name in ipairs { "exp", "nbf", "iat" } do
      for _, value in ipairs { '"5"', "true", "{}", "null", "NaN", "Infinity" } do
        assert.matches("^Jwt payload", of(('{"%s":%s}'):format(name, value)) or "taken: " .. name .. value)
      end
      for _, value in ipairs { "-1", "1e300", "1e999" } do
        assert.equal(("Jwt payload [%s] field is not a positive 64 bit integer"):format(name),
          of(('{"%s":%s}'):format(name, value)))
      end
    end
    for _, value in ipairs { "1", "{}", '{"a":"b"}', '["a",1]', "true" } do
      if value ~= "{}" then
        assert.equal("Jwt payload [aud] field is not a string or string list", of(('{"aud":%s}'):format(value)))
      end
    end
  end)

  it("stands any text", function()
    math.randomseed(7)
    local good = token(HEADER, { iss = "me", exp = 1, aud = { "a" } })
    for _ = 1, 3000 do
      local bytes = { good:byte(1, -1) }
      for _ = 1, math.random(4) do bytes[math.random(#bytes)] = math.random(0, 255) end
      local read, why = jwt.parse(string.char(unpack(bytes)))
      assert.is_true(type(read) == "table" or type(why) == "string")
    end
  end)
end)

-- ---- keys ---------------------------------------------------------------------------------

-- Of RFC 7515, appendix A.3: a point of P-256.
local X, Y = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
local LONG, SHORT = part(("k"):rep(64)), part(("k"):rep(31))
local MODULUS = part("\200" .. ("\1"):rep(255)) -- odd, of 2048 bits

local function set_of(...)
  return jwk.read(assert(json.encode { keys = json.array { ... } }))
end

local function left_out(entry)
  local set, why = set_of(entry)
  return not set and why
end

describe("jwk.read", function()
  it("takes RSA, EC and shared keys, by what each may check", function()
    local set = assert(set_of({ kty = "RSA", kid = "r", n = MODULUS, e = "AQAB" },
      { kty = "EC", kid = "e", crv = "P-256", x = X, y = Y }, { kty = "oct", kid = "o", k = LONG }))
    local function names(alg)
      local list = {}
      for i, key in ipairs(set:candidates(alg)) do list[i] = key.kid end
      return table.concat(list, " ")
    end
    assert.same({ "r", "r", "e", "", "", "o", "o" }, { names "RS256", names "PS512", names "ES256", names "ES384",
      names "none", names "HS256", names "HS512" })
  end)

  it("leaves out what cannot check a signature here", function()
    local function rsa(more)
      local entry = { kty = "RSA", n = MODULUS, e = "AQAB" }
      for name, value in pairs(more) do entry[name] = value end
      return entry
    end
    assert.is_false(left_out(rsa { use = "sig", alg = "PS384", key_ops = { "verify" } }))
    for _, more in ipairs { { use = "enc" }, { key_ops = { "encrypt" } }, { key_ops = "verify" }, { alg = "HS256" },
      { alg = "RSA-OAEP" }, { alg = 1 }, { kid = 1 }, { e = "" }, { e = "Ag" }, { n = part(("\255"):rep(128)) },
      { n = "a+b" }, { kty = "oct" }, { kty = "OKP" }, { kty = json.null } } do
      assert.matches("^no key that could be used; keys%[0%]: ", left_out(rsa(more)) or "taken")
    end
    for _, entry in ipairs { { kty = "EC", crv = "P-256", x = X, y = X }, { kty = "EC", crv = "P-384", x = X, y = Y },
      { kty = "EC", crv = "secp256k1", x = X, y = Y }, { kty = "EC", crv = "P-256", x = X },
      { kty = "EC", crv = "P-256", x = X, y = Y, alg = "ES384" }, { kty = "oct", k = SHORT }, { kty = "oct" } } do
      assert.is_truthy(left_out(entry))
    end
  end)

  it("takes the good ones among bad ones, and keeps why", function()
    local set = assert(set_of({ kty = "OKP", crv = "Ed25519", x = X }, { kty = "oct", k = LONG }))
    assert.same({ 1, 1 }, { #set.keys, #set.left_out })
    assert.matches("^keys%[0%]: %[kty%]", set.left_out[1])
  end)

  it("takes one key alone, and nothing that is no set", function()
    assert.equal(1, #assert(jwk.read(json.encode { kty = "oct", k = LONG })).keys)
    for _, text in ipairs { "", "[]", "1", "garbage", '{"keys":1}', '{"keys":[]}', "{}", '{"keys":[1,null,"x"]}' } do
      assert.is_nil((jwk.read(text)))
    end
    assert.matches("more than", select(2, jwk.read((" "):rep(300000))))
  end)
end)

describe("jwt.check", function()
  local function signed(secret, header)
    local text = token(header, { iss = "me" }):match "^(.*)%."
    return assert(jwt.parse(text .. "." .. base64.encode_url(hash.hmac("sha" .. header.alg:sub(3), secret, text))))
  end
  local secret = ("k"):rep(64)

  it("finds the key by its name, or tries those that could be", function()
    local set = set_of({ kty = "oct", kid = "a", k = part(("a"):rep(64)) }, { kty = "oct", kid = "b", k = LONG })
    assert.is_true((jwt.check(signed(secret, { alg = "HS256", kid = "b" }), set)))
    assert.is_true((jwt.check(signed(secret, { alg = "HS384" }), set)))
    assert.is_true((jwt.check(signed(secret, { alg = "HS512" }), set)))
    assert.same({ nil, jwt.FAILS }, { jwt.check(signed(secret, { alg = "HS256", kid = "a" }), set) })
    assert.same({ nil, jwt.NO_KEY }, { jwt.check(signed(secret, { alg = "HS256", kid = "../b" }), set) })
  end)

  it("takes a public key for no secret", function()
    local set = set_of { kty = "RSA", kid = "r", n = MODULUS, e = "AQAB" }
    for _, bytes in ipairs { MODULUS, base64.decode_url(MODULUS), set.text } do
      assert.same({ nil, jwt.NO_KEY }, { jwt.check(signed(bytes, { alg = "HS256", kid = "r" }), set) })
    end
    assert.same({ nil, jwt.NO_KEY },
      { jwt.check(signed(secret, { alg = "HS512" }), set_of { kty = "oct", k = LONG, alg = "HS256" }) })
  end)

  it("asks of a secret that it is as long as the digest", function()
    local set = set_of { kty = "oct", k = part(("k"):rep(32)) }
    assert.is_true((jwt.check(signed(("k"):rep(32), { alg = "HS256" }), set)))
    assert.same({ nil, jwt.NO_KEY }, { jwt.check(signed(("k"):rep(32), { alg = "HS512" }), set) })
  end)

  it("remembers some tokens, and forgets those not asked for", function()
    local set, first = set_of { kty = "oct", k = LONG }, { iss = "first" }
    jwt.remember(set, "first", first)
    assert.equal(first, jwt.recall(set, "first"))
    for i = 1, 700 do jwt.remember(set, "a" .. i, {}) end
    assert.equal(first, jwt.recall(set, "first"))
    for i = 1, 2000 do jwt.remember(set, "b" .. i, {}) end
    assert.is_nil(jwt.recall(set, "first"))
  end)
end)

describe("claims", function()
  it("are named as headers of a VirtualService name them", function()
    assert.same({ "groups" }, claims.names "@request.auth.claims.groups")
    assert.same({ "a", "b" }, claims.names "@request.auth.claims.a.b")
    assert.same({ "a.x", "b" }, claims.names "@request.auth.claims[a.x][b]")
    for _, text in ipairs { "x-header", "@request.auth.claims", "@request.auth.claims.", "@request.auth.claims[]",
      "@request.auth.claims[a", "@request.auth.claimsx", "@request.auth.claims.a..b" } do
      assert.is_nil(claims.names(text))
    end
  end)

  it("give the texts that they hold", function()
    local note = { claims = { group = "dev", list = { "a", 1, "b" }, deep = { er = "x" }, n = 5 } }
    assert.same({ "dev" }, claims.texts(note, { "group" }))
    assert.same({ "a", "b" }, claims.texts(note, { "list" }))
    assert.same({ "x" }, claims.texts(note, { "deep", "er" }))
    for _, names in ipairs { { "n" }, { "deep" }, { "no" }, { "group", "x" }, { "n", "x" } } do
      assert.same({}, claims.texts(note, names))
    end
    assert.same({}, claims.texts(nil, { "group" }))
  end)
end)

describe("jwks.remote", function()
  local jwks = require "moongate.jwks"

  it("takes no source that the look after all sources would end at", function()
    local function refused(change)
      local from = { url = "https://a/", timeout = 1, refresh = 1, keep = 1, gap = 1 }
      for name, value in pairs(change) do from[name] = value or nil end
      return select(2, pcall(jwks.remote, from))
    end
    assert.matches("jwks.remote: keep: expected milliseconds, got nil", refused { keep = false })
    assert.matches("jwks.remote: refresh: expected milliseconds, got soon", refused { refresh = "soon" })
    assert.matches("jwks.remote: gap: expected milliseconds, got %-?nan", refused { gap = 0 / 0 })
    assert.matches("jwks.remote: url: expected a string, got a number", refused { url = 7 })
    assert.matches("jwks.remote: expected one of url, service and issuer", refused { url = false })
    assert.matches("jwks.remote: expected a table, got a nil", select(2, pcall(jwks.remote)))
  end)
end)
