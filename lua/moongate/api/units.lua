---@meta moongate.units

--- Durations and sizes as configs have them.
---@class moongate.units
local units = {}

--- Milliseconds of "5s", "100ms", "1h30m" or a number of seconds; nil and what was expected.
---@param value string|number
---@return integer?
---@return string? expected
function units.duration(value) end

--- Milliseconds as duration() reads them: "1h30m", "5s", "1500ms".
---@param ms integer
---@return string
function units.show_duration(ms) end

--- Bytes of "64KiB", "1MiB", "10MB" or a number; nil and what was expected.
---@param value string|number
---@return integer?
---@return string? expected
function units.size(value) end

return units
