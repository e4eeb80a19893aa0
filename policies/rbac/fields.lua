--- fields: what each field of a rule compares, as tests that compile.lua puts together.
-- A test is { attr = attribute, name = of a header, test = function(value), negate = boolean,
-- keys = values that a look-up can find or nil, cut = what cuts the request's value to them (pattern.any) }.
-- Attributes are those of attributes.lua.
local cidr = require "policies.rbac.cidr"
local jwt = require "policies.rbac.jwt"
local pattern = require "policies.rbac.pattern"
local fields = {}

local function text_test(attr, star)
  return function(texts)
    local test, keys, cut = pattern.any(texts, star or pattern.not_empty)
    return { attr = attr, test = test, keys = keys, cut = cut }
  end
end

local function mapped(attr, change)
  local make = text_test(attr)
  return function(texts)
    local changed = {}
    for i, text in ipairs(texts) do changed[i] = change(text) end
    return make(changed)
  end
end

local function path_test(texts)
  local test, keys, cut = pattern.any(texts, pattern.not_empty, function(text)
    return text:find("[{}]") and pattern.lua(pattern.template(text))
  end)
  return { attr = "path", test = test, keys = keys, cut = cut }
end

local function namespace_test(texts)
  local test, keys, cut = pattern.any(texts, nil, function(text)
    return text:find("*", 1, true) and pattern.lua(pattern.globs(text))
  end)
  return { attr = "namespace", test = test, keys = keys, cut = cut }
end

local function number_test(texts)
  local numbers = {}
  for i, text in ipairs(texts) do numbers[i] = tonumber(text) end
  return { attr = "port", test = pattern.one_of(numbers), keys = numbers, cut = "" }
end

local function block_test(attr)
  return function(blocks) return { attr = attr, test = cidr.set(blocks) } end
end

local function account_test(texts)
  return { attr = "account", test = pattern.one_of(texts), keys = texts, cut = "" }
end

-- "*abc" of a principal ends so; the others start with the scheme, written or not.
local function spiffe(text)
  if text:sub(1, 1) == "*" or text:sub(1, 9) == "spiffe://" then return text end
  return "spiffe://" .. text
end

local function claim_test(names)
  return function(texts) return { attr = "jwt", test = jwt.claim(names, texts) } end
end

local function token_test(texts) return { attr = "jwt", test = jwt.principal(texts) } end

--- name of a rule's field -> function(values) -> test.
fields.by_name = {
  principals = mapped("principal", spiffe), namespaces = namespace_test, service_accounts = account_test,
  trust_domains = text_test("trust_domain"), ip_blocks = block_test("ip"), remote_ip_blocks = block_test("remote_ip"),
  request_principals = token_test, hosts = mapped("authority", string.lower), ports = number_test,
  methods = text_test("method"), paths = path_test,
}

--- A test of header `name`; several headers of that name are compared one by one, never joined.
function fields.header(name, texts)
  local test, keys, cut = pattern.any(texts, pattern.there)
  return { attr = "header", name = name:lower(), test = test, keys = keys, cut = cut }
end

--- A test of the top-level claim `name`.
function fields.claim(name, texts) return claim_test({ name })(texts) end

local WHEN = {
  ["source.ip"] = block_test("ip"), ["remote.ip"] = block_test("remote_ip"), ["source.namespace"] = namespace_test,
  ["source.principal"] = fields.by_name.principals, ["source.serviceAccount"] = account_test,
  ["source.trustDomain"] = text_test("trust_domain"), ["request.auth.principal"] = token_test,
  ["request.auth.audiences"] = claim_test { "aud" }, ["request.auth.presenter"] = claim_test { "azp" },
  ["destination.port"] = number_test, ["connection.sni"] = text_test("sni"),
}

local PSEUDO = {
  [":method"] = fields.by_name.methods, [":authority"] = fields.by_name.hosts, [":path"] = text_test("target"),
}

local function subscripts(text)
  if not text:find("^%[.-%]") or text:gsub("%[[^%[%]]+%]", "") ~= "" then return nil end
  local names = {}
  for name in text:gmatch("%[([^%[%]]+)%]") do names[#names + 1] = name end
  return names
end

--- The function(values) -> test of a `when` key, or nil and why there is none.
function fields.when(key)
  if WHEN[key] then return WHEN[key] end
  local header = key:match("^request%.headers%[([^%[%]]+)%]$")
  if header then
    return PSEUDO[header] or function(texts) return fields.header(header, texts) end
  end
  local names = subscripts(key:match("^request%.auth%.claims(.*)$") or "")
  if names then return claim_test(names) end
  return nil, ("unknown condition %q; known are source.ip, remote.ip, source.namespace, source.principal, "
    .. "source.serviceAccount, source.trustDomain, request.headers[NAME], request.auth.principal, "
    .. "request.auth.audiences, request.auth.presenter, request.auth.claims[NAME], destination.port, "
    .. "connection.sni"):format(key)
end

return fields
