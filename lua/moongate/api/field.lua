---@meta moongate.field

--- Names and values of header fields, checked when settings are.
---@class moongate.field
local field = {}

--- Why a policy cannot write a field of this name, or nil.
---@param name string
---@return string?
function field.name_error(name) end

--- Why this cannot be a field's value, or nil.
---@param value string
---@return string?
function field.value_error(value) end

--- The first mistake of a map of fields (name to value or list of values), as "path: reason", or nil.
---@param map table<string, string|string[]>?
---@param path string
---@return string?
function field.map_error(map, path) end

--- How CGI (RFC 3875) and its heirs read a name: "_" and "-" are one.
---@param name string
---@return string
function field.as_cgi(name) end

--- Takes away what the client itself says where a policy will speak, and what the service might take for that.
---@param names table<string, boolean> A set of names, as as_cgi() gives them.
---@param headers moongate.Headers
function field.drop_forged(names, headers) end

return field
