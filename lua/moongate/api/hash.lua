---@meta moongate.hash

--- Digests and HMAC, as raw bytes, and a fast steady hash for shares.
---@class moongate.hash
local hash = {}

--- The digest.
---@param data string
---@return string bytes
function hash.sha1(data) end

--- The digest.
---@param data string
---@return string bytes
function hash.sha256(data) end

--- The digest.
---@param data string
---@return string bytes
function hash.sha384(data) end

--- The digest.
---@param data string
---@return string bytes
function hash.sha512(data) end

--- The digest; no longer fit for secrets.
---@param data string
---@return string bytes
function hash.md5(data) end

--- The HMAC (RFC 2104).
---@param algorithm "sha1"|"sha256"|"sha384"|"sha512"|"md5"
---@param key string
---@param data string
---@return string bytes
function hash.hmac(algorithm, key, data) end

--- Bytes as lower-case hexadecimal text.
---@param bytes string
---@return string
function hash.hex(bytes) end

--- A steady 32-bit number of a text: the same in every worker and version. No secret.
---@param text string
---@return integer
function hash.u32(text) end

--- A steady number in [0, 1) of a text: the share of a client.
---@param text string
---@return number
function hash.unit(text) end

return hash
