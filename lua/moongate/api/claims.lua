---@meta moongate.claims

--- What a verified token says, found by name. ctx.shared.jwt is { iss, sub, claims } of the token that policy jwt has
--- verified: a copy, so that what a policy changes in it changes no decision of rbac, rate_limit or routes.
---@class moongate.claims
local claims = {}

--- A function that finds the claim of a dotted name ("realm.roles") in a table of claims, or gives nil.
---@param name string
---@return fun(claims: table): any
function claims.finder(name) end

--- The names in "@request.auth.claims.a.b" or "@request.auth.claims[a][b]"; nil where the text is nothing of the kind.
---@param text string
---@return string[]?
function claims.names(text) end

--- The texts of a claim: a string's own, or those in a list of strings; an empty list for anything else.
---@param token table? ctx.shared.jwt.
---@param names string[] { "a", "b" } for the claim b within a.
---@return string[]
function claims.texts(token, names) end

return claims
