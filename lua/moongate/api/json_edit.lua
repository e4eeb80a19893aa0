---@meta moongate.json_edit

--- Values set in a JSON text that otherwise stays as it is.
---@class moongate.json_edit
local json_edit = {}

--- Reads a path: "$.user.tags[0]", "items[*].price", "$['a.b']"; nil and why.
---@param text string
---@return table? steps
---@return string? why
function json_edit.path(text) end

--- Sets what a path means; where an object lacks the path's last name, it gets it. The new text and how many values were
--- set; nil and why (no JSON).
---@param text string
---@param steps table Of path().
---@param value string JSON itself.
---@return string?
---@return integer|string count
function json_edit.set(text, steps, value) end

return json_edit
