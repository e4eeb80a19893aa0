---@meta moongate.json

--- JSON (RFC 8259). Objects are written with sorted keys, so that equal values give equal texts.
---@class moongate.json
---@field null any JSON's null: a field of a table that is json.null is written, one that is nil is not there.
local json = {}

--- Marks a table as a list, so that an empty one is written as [] and not as {}.
---@param list? any[]
---@return any[]
function json.array(list) end

--- The value of a text, or nil and what is wrong. Numbers are doubles: integers are exact up to 2^53, and what is too
--- large for one is infinite, so larger than any other. moongate.json_edit changes a text and leaves its numbers alone.
---@param text string
---@return any
---@return string? why
function json.decode(text) end

--- The text of a value, or nil and what cannot be written (functions, NaN, infinite numbers, more than 100 nested tables).
---@param value any
---@return string?
---@return string? why
function json.encode(value) end

return json
