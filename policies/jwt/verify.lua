--- verify: whether the tokens of a request are good for a rule; waits for keys, and for checks that take long.
local jwks = require "moongate.jwks"
local time = require "moongate.time"
local tokens = require "moongate.jwt"
local verify = {}

-- The set that has the token's key: where the one at hand lacks it, one that is newer. Nil, and why there is none.
local function signed_by(rule, ctx, token)
  local set = jwks.set(rule.source, ctx)
  if not set then return nil, tokens.NO_KEYS end
  local good, why = tokens.check(token, set, ctx)
  if why == tokens.NO_KEY then
    set = jwks.renewed(rule.source, ctx, set)
    if not set then return nil, why end
    good, why = tokens.check(token, set, ctx)
  end
  if not good then return nil, why end
  return set
end

-- The token of a text if it is good for a rule, or nil and why not.
local function one(rule, ctx, text)
  local set = jwks.at_hand(rule.source)
  local token = set and tokens.recall(set, text)
  local why
  local known = token ~= nil
  if not known then
    token, why = tokens.parse(text)
    if not token then return nil, why end
  end
  if rule.issuer and token.iss ~= rule.issuer then return nil, tokens.UNKNOWN_ISSUER end
  why = tokens.time_error(token, time.now(), rule.skew)
  if why then return nil, why end
  if not tokens.is_for(token, rule.audiences) then return nil, tokens.AUDIENCE end
  if known then return token end
  set, why = signed_by(rule, ctx, token)
  if not set then return nil, why end
  tokens.remember(set, text, token)
  return token
end

--- The last token at a rule's places when all are good; nil, and why one is not (nil: there is none).
-- @param found of locations.find()
function verify.all(rule, ctx, found)
  local token, why
  for _, place in ipairs(rule.places) do
    for _, text in ipairs(found[place] or {}) do
      token, why = one(rule, ctx, text)
      if not token then return nil, why end
    end
  end
  return token
end

return verify
