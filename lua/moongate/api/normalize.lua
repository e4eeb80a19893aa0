---@meta moongate.normalize

--- One spelling for paths that mean the same.
---@class moongate.normalize
---@field MODES string[] The modes, from the one that changes nothing to the one that changes most.
local normalize = {}

--- The function of a mode: it gives the path (without a query) in its one spelling, or nil when the path holds %00 and
--- is to be refused (400). The mode "none" has no function.
---@param mode string
---@return (fun(path: string): string?)?
function normalize.by_mode(mode) end

return normalize
