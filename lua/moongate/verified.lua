--- verified: what the token of a request says that policy jwt has found good, kept where no other policy changes it.
-- Policies read a copy in ctx.shared.jwt, made when the first one looks; who decides on a token (rbac, rate_limit,
-- routes by claims) reads the token itself here.
local face = require "moongate.face"

local verified = {}

-- @param known copies by what they are of
local function copy(value, known)
  if type(value) ~= "table" then return value end
  if known[value] then return known[value] end
  local new = {}
  known[value] = new
  for key, one in next, value do new[key] = copy(one, known) end
  return setmetatable(new, debug.getmetatable(value))
end

--- A token as put() takes it; made once, for all requests that show it.
-- @param token { iss =, sub =, claims = }, which nobody changes from now on
function verified.kept(token)
  local mt = { __metatable = false }
  function mt.__index(shared, key)
    if key ~= "jwt" then return nil end
    local own = copy(token, {})
    rawset(shared, "jwt", own)
    return own
  end
  return { token = token, mt = mt }
end

--- Notes that a request has shown this token, in place of one that was noted before.
-- @param kept of verified.kept()
function verified.put(ctx, kept)
  local state = face.behind(ctx)._s
  local shared = {}
  for key, value in next, state.shared or {} do shared[key] = value end
  shared.jwt = nil
  state.token, state.shared = kept, setmetatable(shared, kept.mt)
end

--- The token of a request: { iss =, sub =, claims = }, not to be changed; where policy jwt found none, what another
-- policy left in ctx.shared.jwt, or nil.
function verified.get(ctx)
  local state = face.behind(ctx)._s
  if state.token then return state.token.token end
  return state.shared and state.shared.jwt or nil
end

--- A copy of what all policies of a request share, which may be changed and thrown away.
-- @param state ctx._s
function verified.shared_copy(state)
  return copy(state.shared, {})
end

return verified
