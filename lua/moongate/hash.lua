--- hash: digests and HMAC by the TLS library, and a fast steady hash for shares.
-- Digests take and give raw bytes; hash.hex() writes them out.
local bit = require "bit"
local hash = {}

local NAMES = { sha1 = "MG_SHA1", sha256 = "MG_SHA256", sha384 = "MG_SHA384", sha512 = "MG_SHA512", md5 = "MG_MD5" }

-- The core's functions are loaded when first asked for: shares need none of them.
local function core()
  local abi = require "moongate.abi"
  return abi, abi.new "uint8_t[64]", abi.new "uint32_t[1]"
end

for name, constant in pairs(NAMES) do
  --- hash.sha1, sha256, sha384, sha512, md5(data): the digest's raw bytes.
  hash[name] = function(data)
    local abi, out, size = core()
    if abi.C.mg_digest(abi.C[constant], abi.str(data), out, size) ~= 0 then error("hash." .. name .. ": failed", 2) end
    return abi.string(out, size[0])
  end
end

--- The HMAC (RFC 2104) of `data`; `algorithm` is one of "sha1", "sha256", "sha384", "sha512", "md5".
function hash.hmac(algorithm, key, data)
  if not NAMES[algorithm] then error(("hash.hmac: unknown algorithm %q"):format(tostring(algorithm)), 2) end
  local abi, out, size = core()
  if abi.C.mg_hmac(abi.C[NAMES[algorithm]], abi.str(key), abi.str(data), out, size) ~= 0 then
    error("hash.hmac: failed", 2)
  end
  return abi.string(out, size[0])
end

local HEX = {}
for byte = 0, 255 do HEX[string.char(byte)] = ("%02x"):format(byte) end

--- Bytes as lower-case hexadecimal text.
function hash.hex(bytes) return (bytes:gsub(".", HEX)) end

local band, bxor, lshift, rshift, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.tobit

--- A steady 32-bit number of a text (Jenkins's one-at-a-time): the same in every worker and version.  No secret.
function hash.u32(text)
  local h = 0
  for i = 1, #text do
    h = tobit(h + text:byte(i))
    h = tobit(h + lshift(h, 10))
    h = bxor(h, rshift(h, 6))
  end
  h = tobit(h + lshift(h, 3))
  h = bxor(h, rshift(h, 11))
  h = tobit(h + lshift(h, 15))
  return band(h, 0x7fffffff) + (h < 0 and 2147483648 or 0)
end

--- A steady number in [0, 1) of a text: the share of a client.
function hash.unit(text) return hash.u32(text) / 4294967296 end

return hash
