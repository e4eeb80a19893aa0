---@meta moongate.query

--- Parameters of a query string, and percent coding (RFC 3986; "+" as in HTML forms).
---@class moongate.query
local query = {}

--- Decodes %XX and "+"; what is no valid %XX stays as it is.
---@param text string
---@return string
function query.decode(text) end

--- Encodes all but the unreserved characters.
---@param text string
---@return string
function query.encode(text) end

--- For a loop: name and value of each parameter in order, both decoded ("a" alone gives "a", "").
---@param text string
---@return fun(): string?, string?
function query.each(text) end

--- The first value of a parameter, decoded; nil when it is not there.
---@param text string
---@param name string
---@return string?
function query.get(text, name) end

--- All values of a parameter, decoded, in order; nil when it is not there.
---@param text string
---@param name string
---@return string[]?
function query.get_all(text, name) end

return query
