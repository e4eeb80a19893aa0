--- live: a running gateway explains a request to whoever sends the configured token in x-moongate-explain.
-- The answer carries the explanation in a header of that name (moongate.explain.compact); the token goes nowhere else.
local compact = require "moongate.explain.compact"
local explain = require "moongate.explain"
local hash = require "moongate.hash"
local random = require "moongate.random"

local live = {}

local HEADER, MOST = "x-moongate-explain", 32 -- candidates that are looked at

local function show(record, ctx)
  ctx.res.headers:set(HEADER, compact(record))
end

--- What a compiled model asks about each request: a function(ctx) that gives the form of the model to run it with.
-- Tokens are compared by digests under a key that nobody knows, so time tells nothing about them.
-- @param base moongate.compiled; @param token text
function live.new(base, token)
  local form = explain.beside(base, { most = MOST, on_response = show })
  local key = random.bytes(32)
  local expected = hash.hmac("sha256", key, token)
  return function(ctx)
    local given = ctx.req.headers:get(HEADER)
    if not given then return base end
    ctx.req.headers:remove(HEADER)
    return hash.hmac("sha256", key, given) == expected and form or base
  end
end

return live
