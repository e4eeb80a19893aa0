--- DestinationRules: which of them count for a service and a caller, and what they say together.
-- Rules: Istio looks in the caller's namespace, then the service's, then the root namespace, each time for the most
-- specific host; several rules of one namespace for the same host count together.
local exports = require "moongate.config.manifests.exports"
local names = require "moongate.config.manifests.names"
local path_of = require "moongate.config.manifests.path"
local policy = require "moongate.config.manifests.destination_rules.policy"
local tls = require "moongate.config.manifests.destination_rules.tls"

local destination_rules = {}
destination_rules.__index = destination_rules

local KIND = "networking.istio.io/DestinationRule"

-- ---- which rules count ----------------------------------------------------------------------

-- Rules for some callers are their own namespace's.
local function check_export(rule)
  exports.check(rule)
  local to = rule.spec.exportTo or {}
  if rule.spec.workloadSelector and #to > 0 and (#to > 1 or to[1] ~= "." and to[1] ~= rule.namespace) then
    rule:refuse({ "spec", "exportTo" }, "expected '.' beside workloadSelector")
  end
end

local function check_subsets(rule)
  local seen = {}
  for i, subset in ipairs(rule.spec.subsets or {}) do
    if seen[subset.name] then
      rule:refuse({ "spec", "subsets", i, "name" }, ("subset %s is there twice"):format(subset.name))
    end
    seen[subset.name] = true
    for name, value in pairs(subset.labels) do
      if name == "" or value:find("[^%w._-]") then
        rule:refuse({ "spec", "subsets", i, "labels", name }, "expected a label and its value")
      end
    end
  end
end

-- By host, and those with '*' apart.
local function index(self, rule)
  local of_namespace = self.by_namespace[rule.namespace] or { by_host = {}, wild = {} }
  self.by_namespace[rule.namespace] = of_namespace
  if rule.host:sub(1, 1) == "*" then return table.insert(of_namespace.wild, rule) end
  of_namespace.by_host[rule.host] = of_namespace.by_host[rule.host] or {}
  table.insert(of_namespace.by_host[rule.host], rule)
end

function destination_rules.new(store)
  local self = setmetatable({ store = store, by_namespace = {}, used = {}, merged = {} }, destination_rules)
  for _, rule in ipairs(store:all(KIND)) do
    rule.host = names.expand(rule.spec.host, rule.namespace)
    if rule.host:find("*", 2, true) or rule.host:find("^%*[^.]") then
      rule:refuse({ "spec", "host" }, ("expected '*' alone or before the first '.', got %q"):format(rule.spec.host))
    end
    check_export(rule)
    check_subsets(rule)
    index(self, rule)
  end
  return self
end

-- A rule for callers with labels counts for those that are known to carry them, and then before one for all.
local function selects(rule, client)
  local selector = rule.spec.workloadSelector
  if not selector or not next(selector.matchLabels) then return true, 0 end
  return client ~= nil and client.labels ~= nil and names.selects(selector.matchLabels, client.labels), 1
end

local BY_LABEL, EXACT = 1e6, 1e5 -- more than any length of a host

-- How well a rule fits, or nil: it does not count.
local function rank_of(rule, service, client)
  local counts, by_label = selects(rule, client)
  if not counts or not exports.is_visible(rule, client and client.namespace or service.object.namespace)
    or not names.host_matches(rule.host, service.fqdn) then
    return nil
  end
  return by_label * BY_LABEL + (rule.host == service.fqdn and EXACT or #rule.host)
end

-- Whether a rule says that it is for its own namespace alone.
local function is_private(rule)
  local to = rule.spec.exportTo or {}
  return #to == 1 and (to[1] == "." or to[1] == rule.namespace)
end

-- The rules of a namespace with the most specific host, in order of appearance.
-- @param private_only whether those for all callers do not count
local function best_in(self, namespace, service, client, private_only)
  local best, found = nil, {}
  local of_namespace = self.by_namespace[namespace] or { by_host = {}, wild = {} }
  for _, rules in ipairs { of_namespace.by_host[service.fqdn] or {}, of_namespace.wild } do
    for _, rule in ipairs(rules) do
      local rank = (not private_only or is_private(rule)) and rank_of(rule, service, client)
      if rank and (not best or rank >= best) then
        if rank ~= best then best, found = rank, {} end
        if rank < BY_LABEL or #found == 0 then found[#found + 1] = rule end -- those with a selector do not merge
      end
    end
  end
  return found
end

-- Rules of one host make one: all subsets (of one name the first), the first policy that there is.
local function merge(rules, service)
  local all = { rules = rules, subsets = {}, by_name = {} }
  for _, rule in ipairs(rules) do
    if rule.host == rules[1].host then
      local own = rule.spec.trafficPolicy
      if own and not all.policy then all.policy = { rule = rule, value = own, path = { "spec", "trafficPolicy" } } end
      for i, subset in ipairs(rule.spec.subsets or {}) do
        local path = { "spec", "subsets", i }
        if all.subsets[subset.name] then
          rule:warn(path_of(path, "name"), ("subset %s of %s is there twice; the first one counts"):format(subset.name,
            service.fqdn))
        else
          all.subsets[subset.name] = subset.labels
          all.by_name[subset.name] = subset.trafficPolicy and { rule = rule, value = subset.trafficPolicy,
            path = path_of(path, "trafficPolicy") }
        end
      end
    end
  end
  return all
end

local NONE = { rules = {}, subsets = {}, by_name = {} }

--- What the rules for a service say together.
-- @param client { namespace =, labels = } of the caller; nil: whoever calls through the service's own listener
-- @return { subsets = labels by name, policy, by_name }
function destination_rules:of(service, client)
  local key = ("%s %s %s"):format(service.fqdn, service.object.namespace, client and client.key or "")
  if self.merged[key] then return self.merged[key] end
  local found = NONE
  local own, root = client and client.namespace or service.object.namespace, self.store.mesh.root_namespace
  for i, namespace in ipairs { own, service.object.namespace, root } do
    -- What the root namespace says is for everybody: for its own callers, too, a service's own rules go first.
    local rules = best_in(self, namespace, service, client, i == 1 and own == root)
    if #rules > 0 then
      found = merge(rules, service)
      for _, rule in ipairs(rules) do
        self.used[rule] = true
        rule:attach("service " .. service.fqdn)
      end
      break
    end
  end
  self.merged[key] = found
  return found
end

-- ---- what they say --------------------------------------------------------------------------

-- Istio: as many of the labels in a row as an endpoint shares with the caller; all of them: priority 0.
local function priority_of(endpoint, failover, client)
  for i, entry in ipairs(failover) do
    local label, value = entry:match("^(.-)=(.*)$")
    label = label or entry
    value = value or client and client.labels and client.labels[label]
    if endpoint.labels[label] ~= value then return #failover - i + 1 end
  end
  return 0
end

--- How a port of a service (or of a subset of it) is called.
-- @param subset name, or nil; @param client see of(), with identity; @param in_mesh see tls.of()
-- @return settings of policy.settings() and tls; own = whether the subset needs a service of its own in the model;
-- priority = function(endpoint) or nil
function destination_rules:settings(service, port, subset, client, in_mesh)
  local all = self:of(service, client)
  local blocks = policy.blocks(all.policy, subset and all.by_name[subset] or nil, port.number)
  local settings = policy.settings(blocks, service)
  settings.tls = tls.of(blocks.tls, self.store, service, client, in_mesh)
  settings.own = subset ~= nil and next(blocks) ~= nil
  if settings.failover then
    settings.priority = function(endpoint) return priority_of(endpoint, settings.failover, client) end
  end
  return settings
end

--- Whether callers of a port are to speak clear text although the service has an identity (tls.mode: DISABLE).
function destination_rules:disables_tls(service, port, client)
  local block = policy.blocks(self:of(service, client).policy, nil, port.number).tls
  return block ~= nil and block.value.mode == "DISABLE"
end

--- Warns of rules that nobody's calls are under.
function destination_rules:warn_unused()
  for _, rule in ipairs(self.store:all(KIND)) do
    if not self.used[rule] then
      rule:warn({ "spec", "host" }, ("counts for nothing: no service that is called from where it is exported to "
        .. "matches %s first here"):format(rule.host))
    end
  end
end

return destination_rules
