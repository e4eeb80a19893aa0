---@meta moongate.timer

--- Functions that run later, outside of any request: moongate.http, moongate.shared and the like work there. Those that
--- prepare starts end when the next config takes over.
---@class moongate.timer
local timer = {}

--- Calls fn() once; an id for cancel(), or nil and why (too many timers).
---@param seconds number
---@param fn fun()
---@return integer? id
---@return string? why
function timer.after(seconds, fn) end

--- Calls fn() again and again, counted from the end of the call before, so that calls never overlap.
---@param seconds number
---@param fn fun()
---@return integer? id
---@return string? why
function timer.every(seconds, fn) end

--- The function, one of this policy's, will not be called again.
---@param id integer
function timer.cancel(id) end

return timer
