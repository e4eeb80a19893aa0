--- jwt: checks the tokens (signed JSON Web Tokens) that requests bring, and refuses those that are no good.
-- Each rule says whom it believes (`issuer`), whom tokens must be meant for (`audiences`), with which keys they are
-- signed, and where a request may carry them: where a rule names no place, in `authorization: Bearer TOKEN` or in the
-- query parameter `access_token`.  A request passes if all tokens at the places of one rule are good for that rule.
-- One without any token passes too, as nobody in particular, unless `required`; policy rbac can tell them apart
-- (request_principals).  Else the answer is 401 with the reason, 403 where only the audience is wrong.
-- Keys come from one of jwks, jwks_file, jwks_url and jwks_service; without any, from where the issuer's OpenID Connect
-- document says.  Fetched ones are kept fresh (see their times), and the last good ones serve on when a fetch fails.
-- RS, PS, ES and HS with 256, 384 and 512 are known; a key checks what its own type allows, whatever a token says.
-- What it verified is in ctx.shared.jwt: { iss, sub, claims }, a copy for the policies below; rbac, rate_limit and
-- routes decide on the token itself.  The header of another one's claims that a client made up never gets through.
-- Preflights of browsers, which carry no tokens, pass unchecked.
-- Phases: request.
-- Place it before rbac and what else asks who the client is.
local accept = require "policies.jwt.accept"
local field = require "moongate.field"
local locations = require "moongate.locations"
local metrics = require "moongate.metrics"
local settings = require "policies.jwt.settings"
local tokens = require "moongate.jwt"
local verified = require "moongate.verified"
local verify = require "policies.jwt.verify"
local jwt = {}

jwt.schema, jwt.check = settings.schema, settings.check

-- Where a rule looks that names no place (RFC 6750, sections 2.1 and 2.3).
local DEFAULT = { { kind = "header", name = "authorization", prefix = "Bearer " },
  { kind = "param", name = "access_token", prefix = "" } }
local OUTCOMES = { "verified", "missing", "preflight", "refused" }

function jwt.prepare(conf)
  local family = metrics.counter { name = "moongate_jwt_requests_total", labels = { "outcome" },
    help = "Requests that policy jwt has seen, by what became of them." }
  local prepared = { rules = {}, places = {}, outputs = {}, required = conf.required, counts = {} }
  for i, rule in ipairs(conf.rules) do
    prepared.rules[i] = settings.prepare(rule, conf.clock_skew / 1000)
    prepared.rules[i].places = locations.add(prepared.places, rule, DEFAULT)
    accept.outputs(rule, prepared.outputs)
  end
  prepared.outputs = next(prepared.outputs) and prepared.outputs or false
  for _, outcome in ipairs(OUTCOMES) do prepared.counts[outcome] = family:with(outcome) end
  return prepared
end

-- ---- the answer ---------------------------------------------------------------------------

-- RFC 6750, section 3. A quote would end the text in which it stands.
local function challenge(ctx, why)
  local req = ctx.req
  local realm = ("%s://%s%s"):format(req.scheme, req.authority or "", req.path):sub(1, 256):gsub('["\\]', "")
  return ('Bearer realm="%s"%s'):format(realm, why == tokens.MISSING and "" or ', error="invalid_token"')
end

local function refuse(conf, ctx, why)
  conf.counts.refused:add(1)
  ctx.details = ("jwt_authn_access_denied{%s}"):format((why:gsub("%s", "_")))
  return ctx:respond(why == tokens.AUDIENCE and 403 or 401, why,
    { ["content-type"] = "text/plain", ["www-authenticate"] = challenge(ctx, why) })
end

-- ---- the request --------------------------------------------------------------------------

local function is_preflight(req)
  return req.method == "OPTIONS" and req.headers["origin"] and req.headers["access-control-request-method"]
end

function jwt.request(conf, ctx)
  local found = locations.find(conf.places, ctx.req)
  if conf.outputs then field.drop_forged(conf.outputs, ctx.req.headers) end
  if is_preflight(ctx.req) then return conf.counts.preflight:add(1) end
  if not found then
    if conf.required then return refuse(conf, ctx, tokens.MISSING) end
    return conf.counts.missing:add(1)
  end
  local reason
  for _, rule in ipairs(conf.rules) do
    local token, why = verify.all(rule, ctx, found)
    if token then
      conf.counts.verified:add(1)
      return accept.token(rule, ctx, token, found)
    end
    if why and (not reason or reason == tokens.UNKNOWN_ISSUER) then reason = why end
  end
  return refuse(conf, ctx, reason)
end

--- Whose token it was, or why it was refused.
function jwt.explain(_, ctx, answer)
  if answer then return { "refused: " .. ctx.details } end
  local token = verified.get(ctx)
  if not token then return { "no token: passes as nobody in particular" } end
  return { ("a good token of %s for %s"):format(token.iss or "nobody", token.sub or "nobody") }
end

return jwt
