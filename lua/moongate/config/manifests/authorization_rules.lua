--- Rules of AuthorizationPolicies: what the API server would refuse, and what policy rbac makes of the rest.
local cidr = require "policies.rbac.cidr"
local path_to = require "moongate.config.manifests.path"
local rbac = require "policies.rbac"
local trust_domains = require "moongate.config.manifests.trust_domains"

local rules = {}

local INNER = { from = "source", to = "operation" }
local VALUES = { "values", "notValues" }
local MOST_ACCOUNTS, LONGEST_ACCOUNT = 16, 320
local ALONE = { "principals", "notPrincipals", "namespaces", "notNamespaces" } -- not beside serviceAccounts

local function small(letter) return "_" .. letter:lower() end

--- notIpBlocks -> not_ip_blocks, and back.
local function snake(name)
  return name:find("%u") and (name:gsub("%u", small)) or name
end

local function camel(name)
  return (name:gsub("_(%l)", string.upper))
end

local function positive(field)
  return field:find("^not%u") and (field:gsub("^not(%u)", string.lower)) or field
end

-- ---- what the API server refuses ----------------------------------------------------------

local function refuse_accounts(policy, path, accounts)
  if #accounts > MOST_ACCOUNTS then
    policy:refuse(path, ("expected at most %d, found %d"):format(MOST_ACCOUNTS, #accounts))
  end
  for i, account in ipairs(accounts) do
    if #account > LONGEST_ACCOUNT then
      policy:refuse(path_to(path, i), ("expected at most %d characters"):format(LONGEST_ACCOUNT))
    end
  end
end

local function refuse_company(policy, path, part, field)
  for _, other in ipairs(ALONE) do
    if part[other] then
      return policy:refuse(path, field .. " cannot stand beside principals or namespaces")
    end
  end
end

--- An empty list could mean everything or nothing, and an empty text is no name.
local function refuse_values(policy, path, field, values)
  if #values == 0 then policy:refuse(path_to(path, field), "expected at least one value") end
  for i, value in ipairs(values) do
    if value == "" then policy:refuse(path_to(path, field, i), "expected a value, found an empty text") end
  end
end

local function warn_of_scheme(policy, path, principals)
  for i, text in ipairs(principals) do
    if text:find("^spiffe://") then
      policy:warn(path_to(path, i), "matches no identity: Istio's principals are written without spiffe://")
    end
  end
end

local function refuse_part(policy, path, part)
  if next(part) == nil then policy:refuse(path, "expected at least one field") end
  for field, values in pairs(part) do
    refuse_values(policy, path, field, values)
    local kind = positive(field)
    if kind == "principals" then warn_of_scheme(policy, path_to(path, field), values) end
    if kind == "serviceAccounts" then
      refuse_accounts(policy, path_to(path, field), values)
      refuse_company(policy, path, part, field)
    end
  end
end

local function refuse_condition(policy, path, condition)
  if not condition.values and not condition.notValues then policy:refuse(path, "expected values or notValues") end
  for _, field in ipairs(VALUES) do
    local values = condition[field]
    if values then refuse_values(policy, path, field, values) end
    if values and condition.key == "source.serviceAccount" then
      refuse_accounts(policy, path_to(path, field), values)
    elseif values and condition.key == "source.principal" then
      warn_of_scheme(policy, path_to(path, field), values)
    end
  end
end

local function refuse_empty(policy, path, rule)
  for field, inner in pairs(INNER) do
    if rule[field] and #rule[field] == 0 then policy:refuse(path_to(path, field), "expected at least one entry") end
    for i, entry in ipairs(rule[field] or {}) do
      refuse_part(policy, path_to(path, field, i, inner), entry[inner])
    end
  end
  for i, condition in ipairs(rule.when or {}) do refuse_condition(policy, path_to(path, "when", i), condition) end
end

-- ---- conversion ---------------------------------------------------------------------------

--- A service account without a namespace is one of the policy's own.
local function full_accounts(policy, accounts)
  local list = {}
  for i, account in ipairs(accounts) do
    list[i] = account:find("/", 1, true) and account or policy.namespace .. "/" .. account
  end
  return list
end

-- Istio writes spiffe:// before each principal, also before one that has it; no identity is such a one.
local function as_istio_reads(principals)
  for i, text in ipairs(principals) do principals[i] = text:find("^spiffe://") and "spiffe://" .. text or text end
  return principals
end

-- What a field means beyond its text; by the name of the field without not, or the key of the condition.
local function meaning(policy, kind, values, mesh)
  if kind == "serviceAccounts" or kind == "source.serviceAccount" then return full_accounts(policy, values) end
  if kind == "principals" or kind == "source.principal" then
    return as_istio_reads(trust_domains.principals(values, mesh.trust_domains))
  end
  if kind == "trustDomains" or kind == "source.trustDomain" then
    return trust_domains.domains(values, mesh.trust_domains)
  end
  return values
end

local function convert_part(policy, part, mesh)
  local copy = {}
  for field, values in pairs(part) do
    local kind = part.key or positive(field)
    copy[snake(field)] = type(values) == "table" and meaning(policy, kind, values, mesh) or values
  end
  return copy
end

local function convert_list(policy, list, inner, mesh)
  if not list or #list == 0 then return nil end
  local copy = {}
  for i, entry in ipairs(list) do copy[i] = convert_part(policy, inner and entry[inner] or entry, mesh) end
  return copy
end

--- A rule of policy rbac, with the id by which Istio's logs name it.
function rules.convert(policy, i, mesh)
  local rule = policy.spec.rules[i]
  return {
    id = ("ns[%s]-policy[%s]-rule[%d]"):format(policy.namespace, policy.name, i - 1),
    at = policy:place { "spec", "rules", i },
    from = convert_list(policy, rule.from, INNER.from, mesh), to = convert_list(policy, rule.to, INNER.to, mesh),
    when = convert_list(policy, rule.when, nil, mesh),
  }
end

local function is_of_a_pod(addresses, service)
  local has = cidr.set(addresses)
  if has(service.address) then return false end
  for _, workload in ipairs(service.behind) do
    for _, instance in ipairs(workload.instances) do
      if has(instance.host) then return true end
    end
  end
  return false
end

--- Warns where a rule means the address of a pod, which is where Istio's sidecar is called: here it is the service's.
function rules.warn_of_addresses(policy, service)
  for i in pairs(policy.converted or {}) do
    for j, condition in ipairs(policy.spec.rules[i].when or {}) do
      for _, field in ipairs(condition.key == "destination.ip" and VALUES or {}) do
        if condition[field] and is_of_a_pod(condition[field], service) then
          policy:warn({ "spec", "rules", i, "when", j, field }, ("means a pod of %s, and is about the address that "
            .. "clients call, %s; select the workload instead"):format(service.fqdn,
            service.address or "which is the gateway's: the service has none"))
        end
      end
    end
  end
end

--- Refuses what is wrong with rule `i` of a policy, in the words of its file; else policy.converted[i] is what
-- convert() gives.
function rules.check(policy, i, mesh)
  local path = { "spec", "rules", i }
  local before = #policy.notes.errors
  refuse_empty(policy, path, policy.spec.rules[i])
  if #policy.notes.errors > before then return end
  local converted = rules.convert(policy, i, mesh)
  local _, why = rbac.check { deny = { converted } }
  if not why then
    policy.converted = policy.converted or {}
    policy.converted[i] = converted
    return
  end
  local where, message = why:match("^deny%.1%.?([%w_.]*): (.*)$")
  for step in where:gmatch("[^.]+") do
    path[#path + 1] = tonumber(step) or camel(step)
    if INNER[path[#path - 1]] then path[#path + 1] = INNER[path[#path - 1]] end
  end
  policy:refuse(path, message)
end

return rules
