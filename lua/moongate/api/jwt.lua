---@meta moongate.jwt

--- JSON Web Tokens (RFC 7519): read, checked against keys, time and audience. Reasons are Envoy's.
---@class moongate.jwt
---@field MISSING string Reason: there is none.
---@field UNKNOWN_ISSUER string Reason: nobody here speaks for its issuer.
---@field AUDIENCE string Reason: it is for others.
---@field NO_KEY string Reason: no key of the set could have signed it.
---@field FAILS string Reason: its signature is not that of a key.
---@field NO_KEYS string Reason: the set of keys could not be fetched.
local jwt = {}

--- Reads a token; says nothing about its truth.
---@param text string
---@return { alg: string, kid: string?, claims: table, iss: string?, sub: string?, audiences: string[], exp: number?, nbf: number?, signed: string, signature: string, payload: string }?
---@return string? reason
function jwt.parse(text) end

--- Why a token does not count at a time; nil when it does.
---@param token table Of parse().
---@param now number Seconds since 1970.
---@param skew number Seconds that clocks may differ.
---@return string? reason
function jwt.time_error(token, now, skew) end

--- What is_for() compares with; nil for an empty list, which allows all.
---@param list string[]
---@return table?
function jwt.audiences(list) end

--- Whether one of the token's audiences is allowed.
---@param token table
---@param allowed table? Of audiences().
---@return boolean
function jwt.is_for(token, allowed) end

--- Whether a key of the set signed the token. May wait, if it gets the ctx of a request.
---@param token table
---@param set table Of moongate.jwk.
---@param ctx? moongate.Ctx
---@return true?
---@return string? reason
function jwt.check(token, set, ctx) end

return jwt
