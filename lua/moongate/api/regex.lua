---@meta moongate.regex

--- Regular expressions with the syntax and meaning of RE2, in time linear in the text. Compile in prepare, not in a phase.
---@class moongate.regex
local regex = {}

--- Compiles a pattern; nil and what is wrong with it.
---@param pattern string
---@return moongate.Regex?
---@return string? why
function regex.compile(pattern) end

--- A regular expression of moongate.regex.
---@class moongate.Regex
---@field pattern string As it was given.
local compiled = {}

--- Whether the whole of a text matches.
---@param subject string
---@return boolean
function compiled:match(subject) end

--- Whether some part of a text matches.
---@param subject string
---@return boolean
function compiled:find(subject) end

--- Why replace() cannot take this rewrite (it names a group that the pattern has not, say), or nil.
---@param rewrite string
---@return string?
function compiled:rewrite_error(rewrite) end

--- A text with every match replaced; in `rewrite` \0 is the match, \1 to \9 are its groups, \\ is a backslash.
---@param subject string
---@param rewrite string
---@return string text
---@return integer count Of matches.
function compiled:replace(subject, rewrite) end

return regex
