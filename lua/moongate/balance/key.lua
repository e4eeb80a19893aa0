--- key: what consistent_hash hashes of a request, as a service's `balance` says.
-- Rules: Istio's ConsistentHashLB.  What a request does not have gives no key, and then any endpoint does.
local hash = require "moongate.hash"
local random = require "moongate.random"

local key = {}

-- Envoy's: the life in whole seconds (0: as long as the browser runs), the path, the attributes, then HttpOnly.
local function attributes_of(balance)
  local parts = {}
  if balance.cookie_ttl >= 1000 then parts[1] = ("; Max-Age=%d"):format(balance.cookie_ttl / 1000) end
  if balance.cookie_path then parts[#parts + 1] = "; Path=" .. balance.cookie_path end
  for _, attribute in ipairs(balance.cookie_attributes or {}) do parts[#parts + 1] = "; " .. attribute end
  parts[#parts + 1] = "; HttpOnly"
  return table.concat(parts)
end

-- A client without the cookie gets one, with an answer of the endpoint that it leads to.
local function making_cookies(balance)
  local name, attributes, made = balance.cookie, attributes_of(balance), {}
  return function(ctx)
    local value = ctx.req:cookie(name)
    if value and value ~= "" then return value end
    local note = ctx.shared[made]
    if not note then
      value = hash.hex(random.bytes(8))
      note = { value = value, header = name .. "=" .. value .. attributes }
      ctx.shared[made] = note
    end
    return note.value
  end, made
end

--- The function(ctx) that gives a request's key or nil; and, where it makes cookies, what finds them for
-- key.cookie().
function key.reader(balance)
  local name = balance.header or balance.cookie or balance.query
  if balance.header then return function(ctx) return ctx.req.headers:get(name) end end
  if balance.query then return function(ctx) return ctx.req:param(name) end end
  if balance.cookie_ttl then return making_cookies(balance) end
  if balance.cookie then return function(ctx) return ctx.req:cookie(name) end end
  return function(ctx) return ctx.client_address end
end

--- The Set-Cookie of a cookie that was made for this request, or nil.
function key.cookie(ctx, made)
  local note = ctx.shared[made]
  return note and note.header
end

return key
