---@meta moongate.base64

--- Base64 (RFC 4648): the plain alphabet, padded, and that for URLs, without padding. Decoding is strict.
---@class moongate.base64
local base64 = {}

--- Bytes to padded text.
---@param bytes string
---@return string
function base64.encode(bytes) end

--- Padded text to bytes, or nil and what is wrong.
---@param text string
---@return string?
---@return string? why
function base64.decode(text) end

--- Bytes to text for URLs and tokens.
---@param bytes string
---@return string
function base64.encode_url(bytes) end

--- Text for URLs and tokens to bytes, or nil and what is wrong; padding is refused.
---@param text string
---@return string?
---@return string? why
function base64.decode_url(text) end

return base64
