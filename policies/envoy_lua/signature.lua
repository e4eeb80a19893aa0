--- signature: public keys as DER (RFC 5280, SubjectPublicKeyInfo) and the signatures that they check.
local base64 = require "moongate.base64"
local json = require "moongate.json"
local jwk = require "moongate.jwk"
local jwt = require "moongate.jwt"

local signature = {}
local methods = {}
local mt = { __index = methods, __metatable = false }
local keys = setmetatable({}, { __mode = "k" }) -- by what importPublicKey() gave: { set =, about = }

local INTEGER, BITS, OID, SEQUENCE = 0x02, 0x03, 0x06, 0x30
local RSA, EC = "\42\134\72\134\247\13\1\1\1", "\42\134\72\206\61\2\1" -- RFC 3279, 2.3.1; RFC 5480, 2.1.1
local CURVES = { -- RFC 5480, 2.1.1.1; RFC 7518, 3.4
  ["\42\134\72\206\61\3\1\7"] = { crv = "P-256", size = 32, algorithms = { sha256 = "ES256" } },
  ["\43\129\4\0\34"] = { crv = "P-384", size = 48, algorithms = { sha384 = "ES384" } },
  ["\43\129\4\0\35"] = { crv = "P-521", size = 66, algorithms = { sha512 = "ES512" } },
}
local RSA_ALGORITHMS = { sha256 = "RS256", sha384 = "RS384", sha512 = "RS512" }

-- ---- DER ----------------------------------------------------------------------------------

-- The content of the element at `at`, which has to be of that kind, and where the next one begins; nil: there is none.
local function element(bytes, at, kind)
  local tag, length = bytes:byte(at or 1, (at or 1) + 1)
  if tag ~= kind or not length then return nil end
  local from = at + 2
  if length > 127 then
    local count = length - 128
    length = 0
    for i = from, from + count - 1 do length = length * 256 + (bytes:byte(i) or math.huge) end
    if count == 0 or count > 3 then return nil end
    from = from + count
  end
  if from + length - 1 > #bytes then return nil end
  return bytes:sub(from, from + length - 1), from + length
end

-- Two numbers in a sequence, without the zeros before them.
local function numbers(bytes)
  local inner = element(bytes, 1, SEQUENCE)
  local one, after = element(inner or "", 1, INTEGER)
  local two = one and element(inner, after, INTEGER)
  if not two then return nil end
  return (one:gsub("^%z+", "")), (two:gsub("^%z+", ""))
end

-- The name of the kind of key, that of its curve (if any), and the key itself.
local function public_key(der)
  local outer = element(der, 1, SEQUENCE)
  local algorithm, after = element(outer or "", 1, SEQUENCE)
  local bits = algorithm and element(outer, after, BITS)
  local kind, rest = element(algorithm or "", 1, OID)
  if not bits or not kind or bits:byte() ~= 0 then return nil end
  return kind, element(algorithm, rest, OID), bits:sub(2)
end

-- ---- keys ---------------------------------------------------------------------------------

-- As JWK; and what else is to be known.
local function rsa(bits)
  local n, e = numbers(bits)
  if not n then return nil end
  return { kty = "RSA", n = base64.encode_url(n), e = base64.encode_url(e) }, { algorithms = RSA_ALGORITHMS }
end

local function ec(curve, bits)
  if not curve or #bits ~= 2 * curve.size + 1 or bits:byte() ~= 4 then return nil end
  return { kty = "EC", crv = curve.crv, x = base64.encode_url(bits:sub(2, curve.size + 1)),
    y = base64.encode_url(bits:sub(curve.size + 2)) }, curve
end

local function read(der)
  local kind, curve, bits = public_key(der)
  if kind == RSA then return rsa(bits) end
  if kind == EC then return ec(CURVES[curve or ""], bits) end
end

--- What importPublicKey() gives: get() is the key, or nil where it is none that can be used.
function signature.import(der)
  local entry, about = read(der)
  local set = entry and jwk.read(json.encode { keys = { entry } })
  local key = setmetatable({}, mt)
  keys[key] = { set = set or false, about = about }
  return key
end

function methods:get() return keys[self].set and self or nil end

-- ECDSA's two numbers in full length, as JWT has them.
local function in_full(text, size)
  local r, s = numbers(text)
  if not r or #r > size or #s > size then return nil end
  return ("\0"):rep(size - #r) .. r .. ("\0"):rep(size - #s) .. s
end

--- Whether a signature is that of the data: true and "", or false and why.
function signature.verify(ctx, name, key, text, data)
  key = keys[key]
  if not key or not key.set then return false, "the public key could not be imported" end
  local algorithm = key.about.algorithms[tostring(name):lower()]
  if not algorithm then return false, tostring(name) .. " is not supported" end
  if key.about.size then text = in_full(text, key.about.size) end
  local good = text and jwt.check({ alg = algorithm, signed = data, signature = text }, key.set, ctx)
  return good == true, good and "" or "Failed to verify digital signature"
end

return signature
