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
    return pattern.is_template(text) and pattern.lua(pattern.template(text))
  end)
  return { attr = "path", test = test, keys = keys, cut = cut }
end

-- A "*" is any part of the identity, slashes too: Istio asks for `.*/ns/<text>/.*`.
local function namespace_test(texts)
  local globs = false
  for _, text in ipairs(texts) do globs = globs or text:find("*", 1, true) ~= nil end
  if not globs then return { attr = "namespace", test = pattern.one_of(texts), keys = texts, cut = "" } end
  return { attr = "principal", test = pattern.any(texts, nil, function(text)
    return pattern.holds("/ns/" .. text .. "/")
  end) }
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

local SCHEME = "spiffe://"

-- All but "*" is about identities of SPIFFE: "*abc" ends so, the others start with the scheme, written or not.
local function principal_test(texts)
  local full = {}
  for i, text in ipairs(texts) do
    local whole = text:sub(1, 1) == "*" or text:sub(1, #SCHEME) == SCHEME
    full[i] = whole and text or SCHEME .. text
  end
  local test, keys, cut = pattern.any(full, pattern.not_empty, function(text)
    local form, ending = pattern.form(text)
    if form ~= "suffix" then return nil end
    local starts, ends = pattern.prefix(SCHEME), pattern.suffix(ending)
    return function(value) return starts(value) and #value >= #SCHEME + #ending and ends(value) end
  end)
  return { attr = "principal", test = test, keys = keys, cut = cut }
end

local function token_test(texts) return { attr = "jwt", test = jwt.principal(texts) } end

--- name of a rule's field -> function(values) -> test.
fields.by_name = {
  principals = principal_test, namespaces = namespace_test, service_accounts = account_test,
  trust_domains = text_test("trust_domain"), ip_blocks = block_test("ip"), remote_ip_blocks = block_test("remote_ip"),
  request_principals = token_test, hosts = mapped("host", string.lower), ports = number_test,
  methods = text_test("method"), paths = path_test,
}

--- The attributes that stand for headers of one value: what HTTP/2 keeps among them, and the host.
fields.SINGLE = { [":method"] = "method", [":authority"] = "authority", [":path"] = "target", [":scheme"] = "scheme",
  host = "authority" }

--- A test of header `name`; several headers of that name are compared one by one, never joined.
function fields.header(name, texts)
  local test, keys, cut = pattern.any(texts, pattern.there)
  name = name:lower()
  local single = fields.SINGLE[name]
  return { attr = single or "header", name = not single and name or nil, test = test, keys = keys, cut = cut }
end

--- A test of the claim found by following `names` in a verified token.
function fields.claim(names, texts) return { attr = "jwt", test = jwt.claim(names, texts) } end

--- For conditions: makers of tests of one attribute's text, and of an address.
fields.text, fields.block = text_test, block_test

return fields
