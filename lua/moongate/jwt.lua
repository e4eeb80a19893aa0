--- jwt: JSON Web Tokens (RFC 7519) in their signed compact form: read, checked against keys, time and audience.
--
-- What a token says of itself chooses among the keys of a set and never what a key may check: `alg` must be one that
-- the key takes, and keys and addresses inside of a token (jwk, jku, x5c, x5u) are not looked at. Reasons are those of
-- Envoy's filter, which clients and logs know.
local base64 = require "moongate.base64"
local jwk = require "moongate.jwk"
local json = require "moongate.json"

local jwt = {}

local MOST_BYTES = 16384
local MOST_TRIED = 8 -- keys for one token without a name for its key
local MOST_SECONDS = 2 ^ 53
local REMEMBERED = 512 -- tokens in each half of a set's memory

local FORM = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"

jwt.MISSING = "Jwt is missing"
jwt.UNKNOWN_ISSUER = "Jwt issuer is not configured"
jwt.AUDIENCE = "Audiences in Jwt are not allowed"
jwt.NO_KEY = "Jwks doesn't have key to match kid or alg from Jwt"
jwt.FAILS = "Jwt verification fails"
jwt.NO_KEYS = "Jwks remote fetch is failed"

-- ---- reading ------------------------------------------------------------------------------

local function object_of(part, name)
  local text = base64.decode_url(part)
  if not text then return nil, ("Jwt %s is an invalid Base64url encoded"):format(name) end
  local value = json.decode(text)
  if type(value) ~= "table" or not text:find "^%s*{" then return nil, ("Jwt %s is an invalid JSON"):format(name) end
  return value
end

local function header_error(header)
  if type(header.alg) ~= "string" then return "Jwt header [alg] field is required and must be a string" end
  if not jwk.is_known(header.alg) then return "Jwt header [alg] is not supported" end
  if header.kid ~= nil and type(header.kid) ~= "string" then return "Jwt header [kid] field is not a string" end
  -- An extension that must be understood is not (RFC 7515, section 4.1.11).
  if header.crit ~= nil then return "Jwt header [crit] is not supported" end
end

-- A NaN is no time: it would be neither past nor future.
local function time_error(claims, name)
  local value = claims[name]
  if value == nil then return nil end
  if type(value) ~= "number" or value ~= value then return ("Jwt payload [%s] field is not an integer"):format(name) end
  if value < 0 or value >= MOST_SECONDS then
    return ("Jwt payload [%s] field is not a positive 64 bit integer"):format(name)
  end
end

local function audiences_of(claims)
  local value = claims.aud
  if value == nil then return {} end
  if type(value) == "string" then return { value } end
  if type(value) ~= "table" then return nil end
  local count = 0
  for _, item in pairs(value) do
    count = count + 1
    if type(item) ~= "string" then return nil end
  end
  return count == #value and value or nil
end

local function claims_error(claims)
  for _, name in ipairs { "iss", "sub", "jti" } do
    local value = claims[name]
    if value ~= nil and type(value) ~= "string" then return ("Jwt payload [%s] field is not a string"):format(name) end
  end
  return time_error(claims, "iat") or time_error(claims, "nbf") or time_error(claims, "exp")
end

--- Reads a token; says nothing about its truth.  Pure, and safe for any text.
-- @return { alg, kid, claims, iss, sub, audiences = list, exp, nbf, signed = text, signature = bytes, payload = its
-- middle part as it came }, or nil and the reason
function jwt.parse(text)
  if #text > MOST_BYTES then return nil, FORM end
  local head, payload, tail = text:match("^([^.]+)%.([^.]+)%.([^.]+)$")
  if not head then return nil, FORM end
  local header, why = object_of(head, "header")
  if not header then return nil, why end
  why = header_error(header)
  if why then return nil, why end
  local claims
  claims, why = object_of(payload, "payload")
  if not claims then return nil, why end
  local audiences = audiences_of(claims)
  why = claims_error(claims) or not audiences and "Jwt payload [aud] field is not a string or string list"
  if why then return nil, why end
  local signature = base64.decode_url(tail)
  if not signature then return nil, "Jwt signature is an invalid Base64url encoded" end
  return { alg = header.alg, kid = header.kid, claims = claims, iss = claims.iss, sub = claims.sub,
    audiences = audiences, exp = claims.exp, nbf = claims.nbf, signed = head .. "." .. payload, signature = signature,
    payload = payload }
end

-- ---- checking -----------------------------------------------------------------------------

--- Why a token does not count at `now` (seconds), give or take `skew`; nil when it does.
function jwt.time_error(token, now, skew)
  if token.nbf and now + skew < token.nbf then return "Jwt not yet valid" end
  if token.exp and now > token.exp + skew then return "Jwt is expired" end
end

-- Envoy compares audiences without their scheme and the slash at their end; some issuers add them.
local function bare(name) return (name:gsub("^https?://", ""):gsub("/$", "")) end

--- What is_for() compares with, of a list of audiences; nil for an empty one, which allows all.
function jwt.audiences(list)
  local allowed = {}
  for _, name in ipairs(list) do allowed[bare(name)] = true end
  return next(allowed) and allowed
end

--- Whether one of the token's audiences is among `allowed`, of audiences().
function jwt.is_for(token, allowed)
  if not allowed then return true end
  for _, name in ipairs(token.audiences) do
    if allowed[bare(name)] then return true end
  end
  return false
end

--- Whether a key of `set` (moongate.jwk) signed the token.  May wait, if it gets the ctx of a request.
-- @return true, or nil and the reason: NO_KEY when no key could have, else FAILS
function jwt.check(token, set, ctx)
  local candidates = jwk.behind(set):candidates(token.alg, token.kid)
  if #candidates == 0 then return nil, jwt.NO_KEY end
  for i = 1, math.min(#candidates, MOST_TRIED) do
    local key = candidates[i]
    if key.check(key.algorithms[token.alg], token.signed, token.signature, ctx) then return true end
  end
  return nil, jwt.FAILS
end

--- The token that a set has verified before, by its text, or nil.  Time and audience are not looked at.
function jwt.recall(set, text)
  local memory = jwk.behind(set).memory
  if not memory then return nil end
  local token = memory.new[text]
  if token then return token end
  token = memory.old[text]
  if token then jwt.remember(set, text, token) end
  return token
end

--- Keeps a verified token with the set, which forgets what was not asked for lately.
function jwt.remember(set, text, token)
  set = jwk.behind(set)
  local memory = set.memory
  if not memory or memory.count == REMEMBERED then
    memory = { new = {}, old = memory and memory.new or {}, count = 0 }
    set.memory = memory
  end
  memory.new[text], memory.count = token, memory.count + 1
end

return jwt
