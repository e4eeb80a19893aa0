--- conditions: the attributes that `when` may ask for, by Istio's names, as makers of tests (see fields.lua).
local fields = require "policies.rbac.fields"
local metadata = require "policies.rbac.metadata"
local conditions = {}

local by_name = fields.by_name

local function claim_test(names)
  return function(texts) return fields.claim(names, texts) end
end

local BY_KEY = {
  ["source.ip"] = by_name.ip_blocks, ["remote.ip"] = by_name.remote_ip_blocks,
  ["source.namespace"] = by_name.namespaces, ["source.principal"] = by_name.principals,
  ["source.serviceAccount"] = by_name.service_accounts, ["source.trustDomain"] = by_name.trust_domains,
  ["request.auth.principal"] = by_name.request_principals, ["request.auth.audiences"] = claim_test { "aud" },
  ["request.auth.presenter"] = claim_test { "azp" }, ["destination.ip"] = fields.block "local_ip",
  ["destination.port"] = by_name.ports, ["connection.sni"] = fields.text "sni",
}

local GONE = { "destination.namespace", "destination.labels", "destination.name", "destination.user" }

local KNOWN = "source.ip, remote.ip, source.namespace, source.principal, source.serviceAccount, source.trustDomain, "
  .. "request.headers[NAME], request.auth.principal, request.auth.audiences, request.auth.presenter, "
  .. "request.auth.claims[NAME], destination.ip, destination.port, connection.sni, "
  .. "experimental.envoy.filters.NAME[KEY]"

-- { "a", "b" } of "[a][b]".
local function subscripts(text)
  if not text:find("^%[.-%]") or text:gsub("%[[^%[%]]+%]", "") ~= "" then return nil end
  local names = {}
  for name in text:gmatch("%[([^%[%]]+)%]") do names[#names + 1] = name end
  return names
end

local function header_test(name)
  if name:find "^:" and not fields.SINGLE[name:lower()] then return nil end
  return function(texts) return fields.header(name, texts) end
end

local function note_test(name, key)
  return function(texts) return { attr = "metadata", test = metadata.note(name, key, texts) } end
end

local function with_name(key)
  local header = key:match("^request%.headers%[([^%[%]]+)%]$")
  if header then return header_test(header) end
  local claims = subscripts(key:match("^request%.auth%.claims(.*)$") or "")
  if claims then return claim_test(claims) end
  local filter, note = key:match("^experimental%.(envoy%.filters%.[^%[%]]+)%[([^%[%]]+)%]$")
  return filter and note_test(filter, note)
end

-- Thousands of rules may ask for one header or claim.
local known = setmetatable({}, { __mode = "v" })

--- The function(values) -> test of a key, or nil and why there is none.
function conditions.find(key)
  local found = BY_KEY[key] or known[key] or with_name(key)
  if found then
    known[key] = found
    return found
  end
  for _, gone in ipairs(GONE) do
    if key:sub(1, #gone) == gone then
      return nil, ("%s cannot be asked for; select the workload instead"):format(gone)
    end
  end
  return nil, ("unknown condition %q; known are %s"):format(key, KNOWN)
end

return conditions
