---@meta moongate.random

--- Numbers for choices (fast, not secret) and bytes for secrets.
---@class moongate.random
local random = {}

--- A number in [0, 1).
---@return number
function random.number() end

--- Bytes that nobody can guess.
---@param count integer
---@return string
function random.bytes(count) end

--- A random UUID (version 4) in lower case.
---@return string
function random.uuid() end

return random
