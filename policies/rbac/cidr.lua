--- cidr: IPv4 and IPv6 addresses and blocks ("10.0.0.0/8", "::1"), and sets of blocks.
-- An address is an array of 4 or 16 numbers; an IPv4 address mapped into IPv6 is the IPv4 address.
local bit = require "bit"
local cidr = {}

local MEMORY = 1024 -- addresses a set remembers; the clients of a gateway come back

local function v4(text)
  local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then return nil end
  local bytes = { tonumber(a), tonumber(b), tonumber(c), tonumber(d) }
  for i, digits in ipairs { a, b, c, d } do
    if bytes[i] > 255 or digits:find("^0.") then return nil end -- "010" is ten to some and eight to others
  end
  return bytes
end

-- Appends the 16-bit groups of "1:2:3" to `bytes`; an IPv4 address may stand last.
local function groups(text, bytes)
  if text == "" then return true end
  for part in (text .. ":"):gmatch("([^:]*):") do
    local dotted = part:find(".", 1, true) and text:sub(-#part) == part and v4(part)
    if dotted then
      for i = 1, 4 do bytes[#bytes + 1] = dotted[i] end
    elseif part:find("^%x%x?%x?%x?$") then
      local number = tonumber(part, 16)
      bytes[#bytes + 1] = bit.rshift(number, 8)
      bytes[#bytes + 1] = bit.band(number, 255)
    else
      return false
    end
  end
  return true
end

local function v6(text)
  local left, right = text:match("^(.-)::(.*)$")
  local bytes, tail = {}, {}
  if not groups(left or text, bytes) or not groups(right or "", tail) then return nil end
  local gap = 16 - #bytes - #tail
  if left and gap < 2 or not left and gap ~= 0 then return nil end
  for _ = 1, gap do bytes[#bytes + 1] = 0 end
  for _, byte in ipairs(tail) do bytes[#bytes + 1] = byte end
  return bytes
end

local function unmapped(bytes)
  for i = 1, 10 do
    if bytes[i] ~= 0 then return bytes end
  end
  if bytes[11] ~= 255 or bytes[12] ~= 255 then return bytes end
  return { bytes[13], bytes[14], bytes[15], bytes[16] }
end

--- The bytes of a textual address (a zone is left out), or nil.
function cidr.address(text)
  text = text:gsub("%%.*$", "")
  local bytes = v4(text)
  if bytes then return bytes end
  bytes = text:find(":", 1, true) and v6(text)
  return bytes and unmapped(bytes) or nil
end

--- The bytes and the prefix length of "address" or "address/length", or nil and why.
function cidr.block(text)
  local address, length = text:match("^([^/%%]+)/(%d%d?%d?)$")
  local single = not text:find("/", 1, true) and text
  local bytes = not (length or ""):find("^0.") and cidr.address(address or single or "")
  if not bytes then return nil, ("expected an address or a block such as 10.0.0.0/8, got %q"):format(text) end
  local bits = #bytes * 8
  length = tonumber(length or bits)
  if bits == 32 and (address or ""):find(":", 1, true) then length = length - 96 end -- ::ffff:10.0.0.0/104
  if length < 0 or length > bits then return nil, ("the length in %q is not within 0 and %d"):format(text, bits) end
  return bytes, length
end

local function key(bytes, length)
  local out, whole = {}, math.floor(length / 8)
  for i = 1, whole do out[i] = string.char(bytes[i]) end
  if length % 8 > 0 then
    out[whole + 1] = string.char(bit.band(bytes[whole + 1], 256 - 2 ^ (8 - length % 8)))
  end
  return table.concat(out)
end

--- A function that says whether an address lies in one of `blocks` (texts that cidr.block accepts).
function cidr.set(blocks)
  local families = { [4] = {}, [16] = {} } -- bytes of an address -> prefix length -> key -> true
  for _, text in ipairs(blocks) do
    local bytes, length = cidr.block(text)
    local lengths = families[#bytes]
    lengths[length] = lengths[length] or {}
    lengths[length][key(bytes, length)] = true
  end
  local function look_up(text)
    local bytes = cidr.address(text)
    for length, keys in pairs(bytes and families[#bytes] or {}) do
      if keys[key(bytes, length)] then return true end
    end
    return false
  end
  local memory, count = {}, 0
  return function(text)
    if text == nil then return false end
    local known = memory[text]
    if known ~= nil then return known end
    if count == MEMORY then memory, count = {}, 0 end
    known = look_up(text)
    memory[text], count = known, count + 1
    return known
  end
end

return cidr
