---@meta moongate.jwk

--- Sets of keys (RFC 7517), for moongate.jwt. The key alone says what it may check.
---@class moongate.jwk
local jwk = {}

--- Whether any key could check signatures of this algorithm.
---@param alg string
---@return boolean
function jwk.is_known(alg) end

--- Reads a set, or a single key; nil and what is wrong. A set none of whose keys can be used is wrong.
---@param text string
---@return moongate.KeySet?
---@return string? why
function jwk.read(text) end

--- A set of keys of moongate.jwk, for moongate.jwt.
---@class moongate.KeySet

return jwk
