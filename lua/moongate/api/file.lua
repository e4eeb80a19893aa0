---@meta moongate.file

--- Small local files: keys, lists, templates. Reading does not wait, so read in prepare.
---@class moongate.file
local file = {}

--- The text of a file, or nil and why.
---@param path string
---@param limit? integer Most bytes; 1 MiB.
---@return string?
---@return string? why
function file.read(path, limit) end

--- Reads a file now, and again after each change, as long as who called holds what it got; nil and why. A change that
--- cannot be read is logged once and changes nothing.
---@param path string
---@param read fun(text: string): any, string? Gives the value of a text, or nil and "LINE: reason".
---@return { value: any }? watch Its value is the last good one.
---@return string? why
function file.watch(path, read) end

return file
