---@meta moongate.gzip

--- Gzip (RFC 1952) as a stream, piece by piece.
---@class moongate.gzip
local gzip = {}

--- A decoder; nil and why.
---@param options? { limit?: integer, ratio?: number } Most bytes that may come out; how many times as much as goes in, past 1 MiB (100).
---@return moongate.GzipStream?
---@return string? why
function gzip.decoder(options) end

--- An encoder; nil and why.
---@param level? integer 1 (fast) to 9 (small); 6.
---@return moongate.GzipStream?
---@return string? why
function gzip.encoder(level) end

--- A decoder or an encoder.
---@class moongate.GzipStream
local stream = {}

--- Takes the next bytes and gives what they stand for, which may be empty; nil and why, and then it is closed.
---@param bytes string
---@param last boolean Whether none follow.
---@return string?
---@return string? why
function stream:push(bytes, last) end

--- Gives its memory back; push() does so after the last bytes and after an error.
function stream:close() end

return gzip
