--- units: reads the durations and sizes that people write.
local units = {}

local MILLISECONDS = { h = 3600000, m = 60000, s = 1000, ms = 1, us = 0.001 }
local BYTES = { [""] = 1, B = 1, KB = 1e3, MB = 1e6, GB = 1e9, KiB = 1024, MiB = 1024 ^ 2, GiB = 1024 ^ 3 }

local LONGEST = 2 ^ 31 - 1 -- milliseconds that every timer of the core can hold
local LARGEST = 2 ^ 53

local function parse_duration(text)
  local total, at = 0, 1
  while at <= #text do
    local number, unit, after = text:match("^(%d+%.?%d*)(%a+)()", at)
    if not number or not MILLISECONDS[unit] then return nil end
    total, at = total + tonumber(number) * MILLISECONDS[unit], after
  end
  return at > 1 and total or nil
end

--- A duration in milliseconds, whole (anything above 0 is at least 1).
-- @param value "5s", "100ms", "1h30m", "0.5s", or a number of seconds
-- @return milliseconds, or nil and what was expected
function units.duration(value)
  local expected = 'expected a duration such as "5s", "100ms" or "1h30m", or a number of seconds'
  local ms
  if type(value) == "number" then
    ms = value * 1000
  elseif type(value) == "string" then
    ms = value == "0" and 0 or parse_duration(value)
  end
  if not ms or ms ~= ms or ms < 0 then return nil, expected end
  if ms > LONGEST then return nil, "expected a duration of at most 596h" end
  if ms > 0 and ms < 1 then return 1 end
  return math.floor(ms + 0.5)
end

local UNITS = { { "h", 3600000 }, { "m", 60000 }, { "s", 1000 } }

--- Milliseconds as units.duration() reads them: "1h30m", "5s", "1500ms".
function units.show_duration(ms)
  if ms == 0 then return "0s" end
  if ms % 1000 ~= 0 then return ("%dms"):format(ms) end
  local text, rest = "", ms
  for _, unit in ipairs(UNITS) do
    local count = math.floor(rest / unit[2])
    if count > 0 then text = text .. count .. unit[1] end
    rest = rest % unit[2]
  end
  return text
end

--- A size in bytes.
-- @param value "64KiB", "1MiB", "10MB", or a number of bytes
-- @return bytes, or nil and what was expected
function units.size(value)
  local bytes
  if type(value) == "number" then
    bytes = value
  elseif type(value) == "string" then
    local number, unit = value:match("^(%d+%.?%d*)(%a*)$")
    bytes = number and BYTES[unit] and tonumber(number) * BYTES[unit]
  end
  if not bytes or bytes ~= bytes or bytes < 0 or bytes > LARGEST or bytes % 1 ~= 0 then
    return nil, 'expected a size such as "64KiB" or "1MiB", or a number of bytes'
  end
  return bytes
end

return units
