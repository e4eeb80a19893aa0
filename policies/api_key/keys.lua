--- keys: the file that policy api_key believes: one key a line, as "CONSUMER SCHEME:DIGEST".
local file = require "moongate.file"
local hash = require "moongate.hash"
local random = require "moongate.random"
local keys = {}

local NAME = "^[%w._@+-]+$"
local LONGEST_NAME = 128

-- Keys are found by a digest under a key that nobody knows, so the time of a look-up tells nothing about them.
local unknown

local function index_of(digest)
  unknown = unknown or random.bytes(32)
  return hash.hmac("sha256", unknown, digest)
end

local function plain(key) return hash.sha256(key) end

-- The schemes of a file, for the secret that the config names (nil: none).
local function schemes_of(secret)
  return { sha256 = plain, ["hmac-sha256"] = secret and function(key) return hash.hmac("sha256", secret, key) end }
end

local function line_error(consumer, scheme, digest, schemes)
  if not consumer then return "expected CONSUMER SCHEME:DIGEST" end
  if not consumer:find(NAME) or #consumer > LONGEST_NAME then
    return ("%q is no name of a consumer; expected letters, digits and ._@+- alone"):format(consumer)
  end
  if scheme == "hmac-sha256" and not schemes[scheme] then return "hmac-sha256 needs 'secret_file'" end
  if not schemes[scheme] then
    return ("unknown scheme %q; expected sha256 or hmac-sha256"):format(scheme)
  end
  if not digest:find "^%x+$" or #digest ~= 64 then return "expected a digest of 64 hexadecimal digits" end
end

local function bytes_of(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local NOTHING = hash.sha256 "" -- what `printf %s "$KEY" | sha256sum` gives where KEY is not set

-- Adds one line to `set`; why not, or nil.
local function add(set, line, schemes)
  local consumer, scheme, digest = line:match "^%s*(%S+)%s+([^%s:]+):(%S+)%s*$"
  local why = line_error(consumer, scheme, digest, schemes)
  if why then return why end
  digest = bytes_of(digest)
  if digest == NOTHING then return "this is the digest of an empty key" end
  local index = scheme .. index_of(digest)
  local known = set.consumers[index]
  if known then return ("this key stands above already, for %s"):format(known) end
  set.consumers[index] = consumer
  set.digests[scheme] = schemes[scheme]
  set.count = set.count + 1
end

local function read(text, schemes)
  local set, number = { consumers = {}, digests = {}, count = 0 }, 0
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    if line:find "^%s*[^#%s]" then
      local why = add(set, line:gsub("\r$", ""), schemes)
      if why then return nil, ("%d: %s"):format(number, why) end
    end
  end
  if set.count == 0 then return nil, "1: there is no key" end
  return set
end

local readers = {} -- by secret: the function is what a watched file is known by

local function reader_of(secret)
  local name = secret or ""
  readers[name] = readers[name] or function(text) return read(text, schemes_of(secret)) end
  return readers[name]
end

-- The secret in a file, its last line break not counted; nil and why.
local function secret_of(path)
  if not path then return nil end
  local text, why = file.read(path)
  if not text then return nil, "secret_file: " .. path .. ": " .. why end
  text = text:gsub("\r?\n$", "")
  if #text < 16 then return nil, "secret_file: " .. path .. ": expected 16 bytes or more" end
  return text
end

--- The keys of a file, watched.
-- @return { value = the keys now }, or nil and "field: reason"
function keys.open(path, secret_path)
  local secret, why = secret_of(secret_path)
  if why then return nil, why end
  local watch
  watch, why = file.watch(path, reader_of(secret))
  if not watch then return nil, "file: " .. why end
  return watch
end

--- Whose key it is, or nil; an empty one is nobody's.
function keys.consumer(set, key)
  if key == "" then return nil end
  for scheme, digest in pairs(set.digests) do
    local consumer = set.consumers[scheme .. index_of(digest(key))]
    if consumer then return consumer end
  end
end

return keys
