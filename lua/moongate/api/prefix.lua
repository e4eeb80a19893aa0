---@meta moongate.prefix

--- Settings that put one first part of a path in place of another.
---@class moongate.prefix
---@field fields moongate.Field[] Of the settings: from and to.
local prefix = {}

--- Why checked settings make no sense, as a policy's check() says it; or nil.
---@param conf table?
---@return string?
function prefix.error(conf) end

--- Settings as replace() wants them; nil stays nil.
---@param conf table?
---@return table?
function prefix.prepare(conf) end

--- The new path, or nil when the path does not begin with the prefix.
---@param path string
---@param conf table
---@return string?
function prefix.replace(path, conf) end

return prefix
