---@meta moongate.cel

--- Expressions about a request (CEL), as far as logs and metrics need them.
---@class moongate.cel
local cel = {}

--- A function of an expression: it gives its value, or nil where CEL has an error. Nil and what is not understood.
---@param text string
---@return (fun(ctx: moongate.Ctx): any)?
---@return string? why
function cel.compile(text) end

return cel
