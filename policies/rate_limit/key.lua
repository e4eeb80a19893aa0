--- key: what requests are counted by, read from words such as "header:x-tenant".
local claims = require "moongate.claims"
local field = require "moongate.field"
local hash = require "moongate.hash"
local verified = require "moongate.verified"
local key = {}

local LONGEST = 64 -- bytes; what is longer is kept as a digest

-- What stands alone.
local plain = {
  client_address = function(ctx) return ctx.client_address end,
  principal = function(ctx) return ctx.peer.principal end,
  consumer = function(ctx) return ctx.shared.api_key and ctx.shared.api_key.consumer end,
  route = function(ctx) return ctx.route and ctx.route.name end,
  listener = function(ctx) return ctx.listener.name end,
  host = function(ctx) return ctx.req.host end,
  method = function(ctx) return ctx.req.method end,
}

-- What has a name behind a colon.
local named = {}

-- Several fields count as one list: who sends more of them is still known by all.
function named.header(name)
  return function(ctx)
    local all = ctx.req.headers:get_all(name)
    return all[1] and table.concat(all, ", ")
  end
end

function named.cookie(name) return function(ctx) return ctx.req:cookie(name) end end
function named.param(name) return function(ctx) return ctx.req:param(name) end end
function named.constant(text) return function() return text end end

function named.claim(name)
  local find = claims.finder(name)
  return function(ctx)
    local token = verified.get(ctx)
    local value = token and find(token.claims)
    return type(value) ~= "table" and value or nil
  end
end

local WORDS = "client_address, principal, consumer, route, listener, host, method, header:NAME, cookie:NAME, "
  .. "param:NAME, claim:NAME, constant:TEXT"

--- What is wrong with one word, or nil.
function key.mistake(word)
  local kind, name = word:match "^(%l+):(.+)$"
  if not (plain[word] or kind and named[kind]) then return ("expected one of %s, got %q"):format(WORDS, word) end
  return kind == "header" and field.name_error(name) or nil
end

-- Numbers (claims) in full, else large ones would look alike.
local function text_of(value)
  if value == nil then return "" end
  return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
end

--- A function(ctx) that gives a text, another one for each combination of what the words mean; what is not there
-- counts as empty, so that nobody escapes by leaving it out.
-- @param prefix text that begins all of them
function key.reader(words, prefix)
  local readers = {}
  for i, word in ipairs(words) do
    local kind, name = word:match "^(%l+):(.+)$"
    readers[i] = plain[word] or named[kind](name)
  end
  return function(ctx)
    local parts = {}
    for i = 1, #readers do
      local value = text_of(readers[i](ctx))
      parts[i] = #value .. ":" .. value
    end
    local text = table.concat(parts)
    return prefix .. (#text > LONGEST and hash.sha256(text) or text)
  end
end

return key
