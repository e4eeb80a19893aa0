---@meta moongate.jwks

--- Where sets of keys come from: given, or fetched and kept fresh.
---@class moongate.jwks
local jwks = {}

--- A source whose set never changes; nil and what is wrong with the text.
---@param text string
---@return table? source
---@return string? why
function jwks.fixed(text) end

--- A source that is fetched, now and again and again.
---@param from { url?: string, service?: string, path?: string, authority?: string, issuer?: string, timeout: integer, refresh: integer, keep: integer, gap: integer } Times in ms: of a fetch, between two, how long a set outlives failures, the least between two fetches that unknown keys cause.
---@return table source
function jwks.remote(from) end

--- The set of a source, for which the request may have to wait; nil: there is none yet.
---@param source table
---@param ctx moongate.Ctx
---@return moongate.KeySet?
function jwks.set(source, ctx) end

--- The set of a source if it is there, else nil; never waits.
---@param source table
---@return moongate.KeySet?
function jwks.at_hand(source) end

--- The set that came in place of `old`, which lacks a key, or nil.
---@param source table
---@param ctx moongate.Ctx
---@param old moongate.KeySet?
---@return moongate.KeySet?
function jwks.renewed(source, ctx, old) end

return jwks
