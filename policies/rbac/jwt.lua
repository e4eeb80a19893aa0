--- jwt: tests of a verified token, { iss =, sub =, claims = {...} }, that another policy left in ctx.shared.jwt.
local pattern = require "policies.rbac.pattern"
local jwt = {}

local SPLIT = { scope = true, permission = true } -- claims that are lists written as "a b c"

-- Issuer and subject tests of one pattern (Istio's requestPrincipals: split at the last "/").
local function principal_parts(text)
  local issuer, subject = text:match("^(.*)/([^/]*)$")
  if text == "*" then return pattern.not_empty, pattern.not_empty end
  if text:sub(1, 1) == "*" then
    if not issuer then return pattern.not_empty, pattern.suffix(text:sub(2)) end
    return issuer == "*" and pattern.not_empty or pattern.suffix(issuer:sub(2)), pattern.exact(subject)
  end
  if text:sub(-1) == "*" then
    if not issuer then return pattern.prefix(text:sub(1, -2)), pattern.not_empty end
    local rest = subject:sub(1, -2)
    return pattern.exact(issuer), rest == "" and pattern.not_empty or pattern.prefix(rest)
  end
  return pattern.exact(issuer or text), pattern.exact(issuer and subject or "")
end

--- A test of issuer and subject.
function jwt.principal(texts)
  return (pattern.any(texts, nil, function(text)
    local issuer, subject = principal_parts(text)
    return function(token)
      return token ~= nil and issuer(token.iss) and subject(token.sub)
    end
  end))
end

local function claim_at(token, names)
  local value = token.claims
  for _, name in ipairs(names) do
    if type(value) ~= "table" then return nil end
    value = value[name]
  end
  return value
end

-- Strings and lists of strings count; numbers and booleans never match.
local function holds(value, test, split)
  if type(value) == "string" then
    if not split then return test(value) end
    for word in value:gmatch("%S+") do
      if test(word) then return true end
    end
    return false
  end
  if type(value) ~= "table" then return false end
  for _, item in ipairs(value) do
    if type(item) == "string" and test(item) then return true end
  end
  return false
end

--- A test of the claim found by following `names` ({ "realm", "roles" }).
function jwt.claim(names, texts)
  local test = pattern.any(texts, pattern.not_empty)
  local split = #names == 1 and SPLIT[names[1]]
  return function(token)
    return token ~= nil and holds(claim_at(token, names), test, split)
  end
end

return jwt
