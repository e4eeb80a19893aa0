--- base64: RFC 4648, the plain alphabet (section 4, padded) and that for URLs (section 5, without padding).
local bit = require "bit"
local base64 = {}

local band, lshift, rshift, bor = bit.band, bit.lshift, bit.rshift, bit.bor
local PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
local URL = PLAIN:gsub("+/", "-_")

local function tables(alphabet)
  local digit, value = {}, {}
  for i = 0, 63 do
    local char = alphabet:sub(i + 1, i + 1)
    digit[i], value[char:byte()] = char, i
  end
  return digit, value
end

local plain_digit, plain_value = tables(PLAIN)
local url_digit, url_value = tables(URL)

local function encode(bytes, digit, padding)
  local out, n = {}, 0
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local word = bor(lshift(a, 16), lshift(b or 0, 8), c or 0)
    out[n + 1] = digit[rshift(word, 18)]
    out[n + 2] = digit[band(rshift(word, 12), 63)]
    out[n + 3] = b and digit[band(rshift(word, 6), 63)] or padding
    out[n + 4] = c and digit[band(word, 63)] or padding
    n = n + 4
  end
  return table.concat(out)
end

-- Strict: no other characters, no bits left over, so that one value has one text.
local function decode(text, value)
  local out, n, word, bits = {}, 0, 0, 0
  for i = 1, #text do
    local digit = value[text:byte(i)]
    if not digit then return nil, "base64: a character that cannot stand there" end
    word, bits = bor(lshift(band(word, 0xffff), 6), digit), bits + 6
    if bits >= 8 then
      bits, n = bits - 8, n + 1
      out[n] = string.char(band(rshift(word, bits), 255))
    end
  end
  if bits == 6 or band(word, lshift(1, bits) - 1) ~= 0 then return nil, "base64: the text is cut short" end
  return table.concat(out)
end

--- Bytes to padded text.
function base64.encode(bytes) return encode(bytes, plain_digit, "=") end

--- Padded text to bytes, or nil and what is wrong.
function base64.decode(text)
  if #text % 4 ~= 0 then return nil, "base64: the length is no multiple of 4" end
  return decode(text:gsub("==?$", ""), plain_value)
end

--- Bytes to text for URLs and tokens, without padding.
function base64.encode_url(bytes) return encode(bytes, url_digit, "") end

--- Text for URLs and tokens to bytes, or nil and what is wrong; padding is refused.
function base64.decode_url(text) return decode(text, url_value) end

return base64
