---@meta moongate.time

--- Clocks, and the two ways HTTP writes a date.
---@class moongate.time
local time = {}

--- Seconds since 1970, with fractions.
---@return number
function time.now() end

--- Seconds of a clock that never steps back; only differences mean something.
---@return number
function time.monotonic() end

--- "2026-11-22T20:05:15.123Z" (RFC 3339) of seconds since 1970.
---@param seconds number
---@return string
function time.rfc3339(seconds) end

--- "Sun, 22 Nov 2026 20:05:15 GMT" (RFC 9110) of seconds since 1970.
---@param seconds number
---@return string
function time.http_date(seconds) end

--- http_date() of now; made once a second.
---@return string
function time.http_date_now() end

return time
