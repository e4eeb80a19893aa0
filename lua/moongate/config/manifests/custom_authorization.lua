--- AuthorizationPolicies with the action CUSTOM, as settings of policy ext_authz.
--
-- One provider decides for a workload.  Where its policies name several, or one that cannot be asked, Istio refuses
-- everything there: so does this, and says so.
local ext_authz = require "policies.ext_authz"
local extension_providers = require "moongate.config.manifests.extension_providers"
local path_to = require "moongate.config.manifests.path"

local custom = {}

local KIND = "envoyExtAuthzHttp"
local BAD = "istio-ext-authz-%s-deny-due-to-bad-CUSTOM-action"

-- What only later steps know of a request: who it is from.
local LATER = { principals = true, requestPrincipals = true, namespaces = true, serviceAccounts = true,
  trustDomains = true }
local LATER_KEYS = { ["source.principal"] = true, ["source.namespace"] = true, ["source.serviceAccount"] = true,
  ["source.trustDomain"] = true }
local MESSAGE = "cannot stand in a policy with the action CUSTOM"

local function check_rule(policy, path, rule)
  for i, entry in ipairs(rule.from or {}) do
    for field in pairs(entry.source) do
      local positive = field:gsub("^not(%u)", string.lower)
      if LATER[positive] then policy:refuse(path_to(path, "from", i, "source", field), MESSAGE) end
    end
  end
  for i, condition in ipairs(rule.when or {}) do
    if LATER_KEYS[condition.key] or condition.key:find("^request%.auth%.") then
      policy:refuse(path_to(path, "when", i, "key"), condition.key .. " " .. MESSAGE)
    end
  end
end

--- Refuses what goes with one of CUSTOM and the other actions only.
function custom.check(policy, providers)
  local spec = policy.spec
  if spec.action ~= "CUSTOM" then
    if spec.provider then policy:refuse({ "spec", "provider" }, "stands with the action CUSTOM only") end
    return
  end
  if not spec.provider then return policy:refuse({ "spec" }, "'provider' is missing; CUSTOM needs it") end
  for i, rule in ipairs(spec.rules or {}) do check_rule(policy, { "spec", "rules", i }, rule) end
  local provider = providers[spec.provider.name]
  if provider and provider.kind ~= KIND then
    policy:refuse({ "spec", "provider", "name" }, ("%s is of the kind %s, which is not supported yet; %s is")
      :format(provider.name, provider.kind, KIND))
  end
end

-- Why the policies' provider cannot be asked, with the words for it; else its settings.
local function settings_of(policies, providers, backends)
  local name = policies[1].spec.provider.name
  for _, policy in ipairs(policies) do
    local other = policy.spec.provider.name
    if other ~= name then return nil, ("one workload has one provider, and there are %s and %s"):format(name, other) end
  end
  local provider = providers[name]
  if not provider then return nil, extension_providers.unknown(name, providers) end
  if provider.kind ~= KIND then return nil, provider.kind .. " is not supported yet" end
  local conf, why = extension_providers.ext_authz(provider, backends)
  if not conf then return nil, ("the provider %s cannot be asked: %s"):format(name, why) end
  local _, mistake = ext_authz.check(conf)
  if mistake then return nil, ("the provider %s cannot be asked: %s"):format(name, mistake) end
  return conf
end

--- The use of a policy that asks the provider, or that refuses everything when it cannot be asked.
-- @param policies those with the action CUSTOM that count at one place, at least one
-- @param converted the rules of all of them, as policy rbac has them
-- @param port that they are about, where the listener's is another, or nil
function custom.use(policies, converted, providers, backends, port)
  local conf, why = settings_of(policies, providers, backends)
  local at = policies[1]:place { "spec" }
  if conf then
    conf.rules, conf.port = converted, port
    return { name = "ext_authz", conf = conf, at = at }
  end
  for _, policy in ipairs(policies) do
    policy:warn({ "spec", "provider", "name" }, why .. "; everything that it guards is refused")
  end
  local id = BAD:format(converted[1] and converted[1].id or "none")
  return { name = "rbac", conf = { deny = { { id = id } } }, at = at }
end

return custom
