--- jwk: JSON Web Key Sets (RFC 7517), read into keys that check signatures.
--
-- The key alone says what it may check: its type, its curve, and what its `alg`, `use` and `key_ops` narrow that to. A
-- key that can check nothing here (another use, too short, an unknown curve) is left out, and why is kept.
local abi = require "moongate.abi"
local base64 = require "moongate.base64"
local bit = require "bit"
local closed = require "moongate.closed"
local context = require "moongate.ctx"
local face = require "moongate.face"
local hash = require "moongate.hash"
local json = require "moongate.json"

local C = abi.C
local yield = coroutine.yield

local jwk = {}

local MOST_BYTES, MOST_KEYS = 262144, 100
local RSA_BITS = "no RSA key of 2048 to 8192 bits" -- RFC 7518, section 3.3

-- RFC 7518, section 3.1, by the type of key. `least`: bytes of a shared secret (section 3.2).
local ALGORITHMS = {
  RSA = {
    RS256 = { scheme = C.MG_RSA_PKCS1, digest = C.MG_SHA256 }, PS256 = { scheme = C.MG_RSA_PSS, digest = C.MG_SHA256 },
    RS384 = { scheme = C.MG_RSA_PKCS1, digest = C.MG_SHA384 }, PS384 = { scheme = C.MG_RSA_PSS, digest = C.MG_SHA384 },
    RS512 = { scheme = C.MG_RSA_PKCS1, digest = C.MG_SHA512 }, PS512 = { scheme = C.MG_RSA_PSS, digest = C.MG_SHA512 },
  },
  EC = {
    ES256 = { crv = "P-256", scheme = C.MG_ECDSA, digest = C.MG_SHA256 },
    ES384 = { crv = "P-384", scheme = C.MG_ECDSA, digest = C.MG_SHA384 },
    ES512 = { crv = "P-521", scheme = C.MG_ECDSA, digest = C.MG_SHA512 },
  },
  oct = {
    HS256 = { least = 32, digest = "sha256" }, HS384 = { least = 48, digest = "sha384" },
    HS512 = { least = 64, digest = "sha512" },
  },
}
local CURVES = { ["P-256"] = 256, ["P-384"] = 384, ["P-521"] = 521 }

local known = {}
for _, family in pairs(ALGORITHMS) do
  for name in pairs(family) do known[name] = true end
end

--- Whether any key could check signatures of this `alg`.
function jwk.is_known(alg) return known[alg] == true end

-- ---- one key ------------------------------------------------------------------------------

-- The bytes in a field: base64url without padding (RFC 7518, section 2).
local function bytes_of(entry, field)
  local text = entry[field]
  local bytes = type(text) == "string" and base64.decode_url(text)
  if not bytes or bytes == "" then return nil, ("[%s] is missing, or no base64url"):format(field) end
  return bytes
end

local function owned(handle) return handle ~= nil and abi.gc(handle, C.mg_key_free) or nil end

local function verify(handle, algorithm, data, signature)
  return C.mg_key_verify(handle, algorithm.scheme, algorithm.digest, abi.str(data), abi.str(signature)) == 0
end

-- A curve takes milliseconds, in which other requests go on (`ctx` nil: they do not).
local function verify_aside(handle, algorithm, data, signature, ctx)
  local x = ctx and face.behind(ctx)._x
  if not x then return verify(handle, algorithm, data, signature) end
  local rc = C.mg_key_verify_wait(x, handle, algorithm.scheme, algorithm.digest, abi.str(data), abi.str(signature))
  if rc == C.MG_EFULL then return verify(handle, algorithm, data, signature) end
  if rc == C.MG_AGAIN then rc = yield() end
  if rc == C.MG_EGONE then error(context.GONE, 0) end
  return rc == C.MG_OK
end

-- Takes as long wherever the first difference is.
local function is_same(a, b)
  if #a ~= #b then return false end
  local difference = 0
  for i = 1, #a do difference = bit.bor(difference, bit.bxor(a:byte(i), b:byte(i))) end
  return difference == 0
end

-- Each gives check(algorithm, data, signature, ctx) and fits(algorithm); or nil and why there is no such key.
local makers = {}

function makers.RSA(entry)
  local n, e = bytes_of(entry, "n"), bytes_of(entry, "e")
  if not n or not e then return nil, "[n] or [e] is missing, or no base64url" end
  local handle = owned(C.mg_key_rsa(abi.str(n), abi.str(e)))
  if not handle then return nil, RSA_BITS end
  return function(...) return verify(handle, ...) end, function() return true end
end

function makers.EC(entry)
  local bits = CURVES[entry.crv]
  if not bits then return nil, "[crv] is none of P-256, P-384, P-521" end
  local x, y = bytes_of(entry, "x"), bytes_of(entry, "y")
  if not x or not y then return nil, "[x] or [y] is missing, or no base64url" end
  local handle = owned(C.mg_key_ec(bits, abi.str(x), abi.str(y)))
  if not handle then return nil, "no point of its curve" end
  return function(...) return verify_aside(handle, ...) end,
    function(algorithm) return algorithm.crv == entry.crv end
end

function makers.oct(entry)
  local secret, why = bytes_of(entry, "k")
  if not secret then return nil, why end
  local function check(algorithm, data, signature)
    return is_same(hash.hmac(algorithm.digest, secret, data), signature)
  end
  return check, function(algorithm) return #secret >= algorithm.least end
end

local function is_for_checking(entry)
  if entry.use ~= nil and entry.use ~= "sig" then return false end
  if entry.key_ops == nil then return true end
  for _, operation in ipairs(type(entry.key_ops) == "table" and entry.key_ops or {}) do
    if operation == "verify" then return true end
  end
  return false
end

-- The key of one entry: { kid =, algorithms = by name, check = }, or nil and why.
local function read_key(entry)
  if type(entry) ~= "table" then return nil, "no object" end
  local family = ALGORITHMS[entry.kty]
  if not family then return nil, ("[kty] is none of RSA, EC, oct") end
  if not is_for_checking(entry) then return nil, "[use] or [key_ops] is not for checking signatures" end
  if entry.kid ~= nil and type(entry.kid) ~= "string" then return nil, "[kid] is no text" end
  local check, fits = makers[entry.kty](entry)
  if not check then return nil, fits end
  local key = { kid = entry.kid, algorithms = {}, check = check }
  for name, algorithm in pairs(family) do
    if (entry.alg == nil or entry.alg == name) and fits(algorithm) then
      key.algorithms[name] = { scheme = algorithm.scheme, digest = algorithm.digest }
    end
  end
  if not next(key.algorithms) then return nil, "[alg] is nothing that this key could check, or the key is too short" end
  return key
end

-- ---- the set ------------------------------------------------------------------------------

local set = {}
local set_mt = { __index = set, __metatable = false } -- apart from what it leads to: policies may read that

-- What policies hold of a set that they share; the set keeps it.
local make_handle, behind = closed.class(nil, nil, "kv")

--- The set behind what a policy holds of it; a set is given back as it is.
function jwk.behind(held) return behind[held] or held end

--- The keys that may have signed a token with this `alg` and `kid` (nil: any), those of that very name first.
-- A key without a name may be any.
function set:candidates(alg, kid)
  local list = {}
  for _, key in ipairs(self.keys) do
    if key.algorithms[alg] and (not kid or not key.kid or key.kid == kid) then
      table.insert(list, key.kid == kid and 1 or #list + 1, key)
    end
  end
  return list
end

local function entries_of(value)
  if type(value) ~= "table" then return nil, "no JSON object" end
  if value.kty ~= nil then return { value } end
  if type(value.keys) ~= "table" then return nil, "there is no list [keys]" end
  if #value.keys > MOST_KEYS then return nil, ("more than %d keys"):format(MOST_KEYS) end
  return value.keys
end

--- Reads a set, or a single key.
-- @return { keys =, left_out = array of texts, text = }, or nil and what is wrong;
-- a set none of whose keys can be used is wrong
function jwk.read(text)
  if #text > MOST_BYTES then return nil, ("more than %d bytes"):format(MOST_BYTES) end
  local entries, why = entries_of((json.decode(text)))
  if not entries then return nil, why end
  local self = setmetatable({ keys = {}, left_out = {}, text = text }, set_mt)
  for i, entry in ipairs(entries) do
    local key, reason = read_key(entry)
    if key then
      table.insert(self.keys, key)
    else
      table.insert(self.left_out, ("keys[%d]: %s"):format(i - 1, reason))
    end
  end
  self.handle = make_handle(self)
  if #self.keys > 0 then return self end
  return nil, "no key that could be used" .. (self.left_out[1] and "; " .. self.left_out[1] or "")
end

return jwk
