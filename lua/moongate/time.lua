--- time: clocks, and the two ways HTTP writes a date.
local abi = require "moongate.abi"
local time = {}

local C = abi.C

--- Seconds since 1970, with fractions.
function time.now() return C.mg_wall_time() end

--- Seconds of a clock that never steps back; only differences mean something.
function time.monotonic() return tonumber(C.mg_now_ns()) / 1e9 end

--- "2026-11-22T20:05:15.123Z" (RFC 3339, milliseconds) of seconds since 1970.
function time.rfc3339(seconds)
  local ms = math.floor(seconds * 1000 + 0.5)
  return os.date("!%Y-%m-%dT%H:%M:%S", math.floor(ms / 1000)) .. (".%03dZ"):format(ms % 1000)
end

local DAYS = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" }
local MONTHS = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" }

--- "Sun, 22 Nov 2026 20:05:15 GMT" (RFC 9110, section 5.6.7) of seconds since 1970, in any locale.
function time.http_date(seconds)
  local d = os.date("!*t", math.floor(seconds))
  local date = ("%s, %02d %s %d"):format(DAYS[d.wday], d.day, MONTHS[d.month], d.year)
  return ("%s %02d:%02d:%02d GMT"):format(date, d.hour, d.min, d.sec)
end

local last, text

--- http_date() of now; made once a second.
function time.http_date_now()
  local now = math.floor(C.mg_wall_time())
  if now ~= last then
    last, text = now, time.http_date(now)
  end
  return text
end

return time
