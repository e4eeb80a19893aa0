--- Turns AuthorizationPolicies into settings of policy rbac.
-- Rules: security.istio.io AuthorizationPolicy; the policies of one listener count together.
local names = require "moongate.config.manifests.names"
local workloads = require "moongate.config.manifests.workloads"

local authorization = {}

local KIND = "security.istio.io/AuthorizationPolicy"
local LIST_OF = { ALLOW = "allow", DENY = "deny" }

--- notIpBlocks -> not_ip_blocks.
local function snake(name)
  return (name:gsub("%u", function(letter) return "_" .. letter:lower() end))
end

--- A service account without a namespace is one of the policy's own.
local function full_accounts(policy, accounts)
  local list = {}
  for i, account in ipairs(accounts) do
    list[i] = account:find("/", 1, true) and account or policy.namespace .. "/" .. account
  end
  return list
end

local function convert_part(policy, part)
  local copy = {}
  for name, value in pairs(part) do
    local key = snake(name)
    local accounts = key:find("service_accounts$") or part.key == "source.serviceAccount" and key:find("values$")
    copy[key] = accounts and full_accounts(policy, value) or value
  end
  return copy
end

--- An empty list or mapping could mean everything or nothing, so the API server takes neither.
local function refuse_empty(policy, i, rule)
  for _, part in ipairs { "from", "to", "when" } do
    local list = rule[part]
    if list and #list == 0 then policy:refuse({ "spec", "rules", i, part }, "expected at least one entry") end
    for j, entry in ipairs(list or {}) do
      local name = part == "from" and "source" or "operation"
      local inner, path = entry[name], { "spec", "rules", i, part, j, name }
      if part == "when" then
        if not (entry.values or entry.notValues) then
          policy:refuse({ "spec", "rules", i, part, j }, "expected values or notValues")
        end
      elseif next(inner) == nil then
        policy:refuse(path, "expected at least one field")
      end
      for field, values in pairs(inner or entry) do
        local alone = field:lower():find("serviceaccounts$")
        if alone and (inner.principals or inner.notPrincipals or inner.namespaces or inner.notNamespaces) then
          policy:refuse(path, field .. " cannot stand beside principals or namespaces")
        end
        if type(values) == "table" and #values == 0 then
          path[7] = field
          policy:refuse(path, "expected at least one value")
        end
      end
    end
  end
end

local function convert_list(policy, list, name)
  if not list then return nil end
  local copy = {}
  for i, entry in ipairs(list) do copy[i] = convert_part(policy, name and entry[name] or entry) end
  return copy
end

local function convert_rule(policy, i, rule)
  return {
    id = ("ns[%s]-policy[%s]-rule[%d]"):format(policy.namespace, policy.name, i - 1),
    from = convert_list(policy, rule.from, "source"), to = convert_list(policy, rule.to, "operation"),
    when = convert_list(policy, rule.when),
  }
end

local function is_true(text)
  return text == "1" or text == "t" or text == "T" or text == "true" or text == "True" or text == "TRUE"
end

local function check(policy)
  local action = policy.spec.action
  if not LIST_OF[action] then
    policy:refuse({ "spec", "action" }, action .. " is not supported yet; ALLOW and DENY are")
  end
  if is_true(policy.annotations["istio.io/dry-run"]) then
    policy:refuse({ "metadata", "annotations", "istio.io/dry-run" }, "is not supported yet")
  end
  local rules = policy.spec.rules or {}
  if action == "DENY" and #rules == 0 then
    policy:refuse({ "spec" }, "expected rules: a DENY policy without any denies nothing")
  end
  for i, rule in ipairs(rules) do refuse_empty(policy, i, rule) end
end

--- The workloads that a policy counts for: the root namespace speaks for the whole mesh, any other for itself,
-- and a selector narrows that down by label.
local function guarded_by(policy, all)
  local selector = policy.spec.selector and policy.spec.selector.matchLabels or {}
  return workloads.select(all, selector, policy.namespace ~= names.ROOT_NAMESPACE and policy.namespace or nil)
end

--- @param store all objects; @param all every workload
function authorization.new(store, all)
  local self = { policies = store:all(KIND), ranks = {}, by_workload = {}, used = {} }
  for rank, policy in ipairs(self.policies) do
    check(policy)
    self.ranks[policy] = rank
    for _, workload in ipairs(guarded_by(policy, all)) do
      self.by_workload[workload] = self.by_workload[workload] or {}
      table.insert(self.by_workload[workload], policy)
    end
  end
  return setmetatable(self, { __index = authorization })
end

--- The policies that count for one of these workloads, in order of appearance.
local function policies_for(self, list)
  local found, seen = {}, {}
  for _, workload in ipairs(list) do
    for _, policy in ipairs(self.by_workload[workload] or {}) do
      if not seen[policy] then found[#found + 1] = policy end
      seen[policy] = true
    end
  end
  table.sort(found, function(a, b) return self.ranks[a] < self.ranks[b] end)
  return found
end

--- The use of policy rbac that guards these workloads, or nil when no policy counts for them.
-- `origins[use.conf.allow[i]]` gives { policy, rule index } for the messages about that rule.
-- An ALLOW policy without rules gives an empty list, which allows nothing; no ALLOW policy gives no list.
function authorization:guard(guarded, origins)
  local conf, first = {}, nil
  for _, policy in ipairs(policies_for(self, guarded)) do
    local list = LIST_OF[policy.spec.action]
    if list then
      self.used[policy] = true
      first = first or policy
      conf[list] = conf[list] or {}
      for i, rule in ipairs(policy.spec.rules or {}) do
        local converted = convert_rule(policy, i, rule)
        origins[converted] = { policy, i }
        table.insert(conf[list], converted)
      end
    end
  end
  return first and { name = "rbac", conf = conf, at = first:place { "spec" } }
end

--- Warns of every policy that guards nothing here.
function authorization:warn_unused()
  for _, policy in ipairs(self.policies) do
    if not self.used[policy] then
      policy:warn({ "spec", policy.spec.selector and "selector" or nil },
        "guards nothing: no service here has a workload that it selects")
    end
  end
end

return authorization
