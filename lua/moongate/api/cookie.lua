---@meta moongate.cookie

--- Cookies out of a Cookie field (RFC 6265); ctx.req:cookie() is shorter.
---@class moongate.cookie
local cookie = {}

--- The value of the first cookie of that name in "a=1; b=2", quotes taken off; nil when it is not there.
---@param line string
---@param name string In its case.
---@return string?
function cookie.get(line, name) end

return cookie
