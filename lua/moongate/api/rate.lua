---@meta moongate.rate

--- How many requests may come: functions of (state, now, limit, per, burst), times in microseconds, that give 1 or 0
--- (passes or not), what is left, the time until there is more, the time until all is there again, and the new state.
---@class moongate.rate
---@field functions table<string, function> token_bucket and sliding_window.
---@field sources table<string, string> The same as Lua texts, for a script in Redis.
local rate = {}

return rate
