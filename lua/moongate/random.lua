--- random: numbers for choices (fast, not secret) and bytes for secrets (from the system's generator).
local random = {}

local MOST_BYTES = 65536

local seeded = false

local function seed()
  local bytes = { random.bytes(4):byte(1, 4) }
  math.randomseed(((bytes[1] * 256 + bytes[2]) * 256 + bytes[3]) * 256 + bytes[4])
  seeded = true
end

--- A number in [0, 1).  Seeded at the first call, so that no two workers draw alike.
function random.number()
  if not seeded then seed() end
  return math.random()
end

--- `count` bytes (65536 at most) that nobody can guess.
function random.bytes(count)
  if type(count) ~= "number" or count < 0 or count > MOST_BYTES then
    error(("random.bytes: expected a number from 0 to %d"):format(MOST_BYTES), 2)
  end
  local abi = require "moongate.abi"
  local buffer = abi.new("uint8_t[?]", count)
  abi.C.mg_random(buffer, count)
  return abi.string(buffer, count)
end

--- A random UUID (RFC 9562, version 4) in lower case.
function random.uuid()
  local b = { random.bytes(16):byte(1, 16) }
  b[7] = b[7] % 16 + 0x40
  b[9] = b[9] % 64 + 0x80
  return ("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x"):format(unpack(b))
end

return random
