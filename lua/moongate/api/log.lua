---@meta moongate.log

--- Lines of text with fields for the process's own log, and sinks for whole lines.
---@class moongate.log
local log = {}

--- A line that is written only where somebody looks for mistakes.
---@param text string
---@param fields? table<string, any> As key=value behind it, sorted by key.
function log.debug(text, fields) end

--- A line of what happened.
---@param text string
---@param fields? table<string, any>
function log.info(text, fields) end

--- A line of what should not go on so.
---@param text string
---@param fields? table<string, any>
function log.warn(text, fields) end

--- A line of what went wrong.
---@param text string
---@param fields? table<string, any>
function log.error(text, fields) end

--- The line that the others write.
---@param text string
---@param fields? table<string, any>
---@return string
function log.format(text, fields) end

--- A sink for whole lines: "stdout" or "stderr"; for the policies that come with moongate a file, too, that lines are
--- added to. nil and why it cannot be opened.
---@param path string
---@return moongate.Sink?
---@return string? why
function log.sink(path) end

--- A sink of moongate.log.
---@class moongate.Sink
local sink = {}

--- Writes one line; the newline is added. Never waits: a line that does not fit is dropped and counted.
---@param line string
function sink:write(line) end

return log
