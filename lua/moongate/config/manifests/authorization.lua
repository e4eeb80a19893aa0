--- AuthorizationPolicies and RequestAuthentications as uses of policies: which of them count where, together.
-- Rules: security.istio.io AuthorizationPolicy; the policies of one proxy count together, those of each action as one.
-- Tokens are checked after CUSTOM and before what may ask whose they are.
local attachment = require "moongate.config.manifests.attachment"
local custom = require "moongate.config.manifests.custom_authorization"
local dry_run = require "moongate.config.manifests.dry_run"
local names = require "moongate.config.manifests.names"
local ports = require "moongate.config.manifests.authorization_ports"
local request_authentication = require "moongate.config.manifests.request_authentication"
local rules = require "moongate.config.manifests.authorization_rules"
local workloads = require "moongate.config.manifests.workloads"

local authorization = {}

local KINDS = { "security.istio.io/AuthorizationPolicy", "security.istio.io/RequestAuthentication" }
local GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name" -- label of a Gateway's pods
local WAYPOINT = "istio-waypoint"
local ANY = "any port"
local LIST_OF = { ALLOW = "allow", DENY = "deny", AUDIT = "audit" }

-- ---- one policy ---------------------------------------------------------------------------

local function check_authorization(policy, mesh)
  local action, list = policy.spec.action, policy.spec.rules or {}
  custom.check(policy, mesh.providers)
  dry_run.check(policy)
  if #list == 0 and action == "AUDIT" then
    policy:warn({ "spec" }, "notes nothing: it has no rules")
  elseif #list == 0 and action ~= "ALLOW" then
    policy:refuse({ "spec" }, ("expected rules: %s without any never matches"):format(action))
  end
  for i in ipairs(list) do rules.check(policy, i, mesh) end
end

local function check(policy, self)
  attachment.check(policy)
  if policy.kind == "RequestAuthentication" then
    request_authentication.check(policy, self.backends)
  else
    check_authorization(policy, self.mesh)
  end
end

-- ---- all policies -------------------------------------------------------------------------

local function add(map, key, policy)
  map[key] = map[key] or {}
  table.insert(map[key], policy)
end

local function ref_key(kind, namespace, name) return ("%s %s/%s"):format(kind, namespace, name) end

-- By what each policy may be found; whether it counts there is for attachment to say.
local function index(self, policy, all)
  local refs = attachment.refs(policy.spec)
  for _, ref in ipairs(refs) do add(self.by_ref, ref_key(ref.kind, policy.namespace, ref.name), policy) end
  if #refs > 0 then return end
  local selector = policy.spec.selector and policy.spec.selector.matchLabels or {}
  local namespace = policy.namespace ~= self.mesh.root_namespace and policy.namespace or nil
  for _, workload in ipairs(workloads.select(all, selector, namespace)) do
    add(self.by_workload, workload, policy)
  end
end

--- @param store all objects, with the mesh's settings; @param all every workload; @param backends of the model
function authorization.new(store, all, backends)
  local self = { policies = {}, ranks = {}, by_workload = {}, by_ref = {}, used = {}, guards = {}, numbers = {},
    mesh = store.mesh, backends = backends }
  for _, kind in ipairs(KINDS) do
    for _, policy in ipairs(store:all(kind)) do table.insert(self.policies, policy) end
  end
  for rank, policy in ipairs(self.policies) do
    check(policy, self)
    self.ranks[policy] = rank
    index(self, policy, all)
  end
  return setmetatable(self, { __index = authorization })
end

--- Makes known a workload that stands in none of the files: what selects its labels counts for it as for any other.
function authorization:introduce(workload)
  for _, policy in ipairs(self.policies) do
    local selector = policy.spec.selector and policy.spec.selector.matchLabels or {}
    local near = policy.namespace == self.mesh.root_namespace or policy.namespace == workload.namespace
    if near and #attachment.refs(policy.spec) == 0 and names.selects(selector, workload.labels) then
      add(self.by_workload, workload, policy)
    end
  end
end

-- ---- what counts where --------------------------------------------------------------------

-- Adds the policies of `candidates` that count at `proxy` to the set `found`; `where` says what they guard.
local function collect(self, candidates, proxy, found, where)
  for _, policy in ipairs(candidates or {}) do
    if attachment.attaches(policy, proxy, self.mesh.root_namespace) then
      found[policy] = true
      policy:attach(where)
    end
  end
end

local function add_workload(self, workload, found)
  local gateway = workload.labels[GATEWAY_NAME]
  local proxy = { namespace = workload.namespace, labels = workload.labels, gateway = gateway }
  local where = ("workload %s/%s"):format(workload.namespace, workload.name)
  collect(self, self.by_workload[workload], proxy, found, where)
  if gateway then collect(self, self.by_ref[ref_key("Gateway", workload.namespace, gateway)], proxy, found, where) end
end

local function add_waypoint(self, waypoint, service, found)
  local object = service.object
  local proxy = { namespace = waypoint.namespace, labels = {}, gateway = waypoint.name, class = WAYPOINT,
    refs_only = true, services = { { kind = "Service", name = object.name, namespace = object.namespace } } }
  for _, key in ipairs { ref_key("Service", object.namespace, object.name),
    ref_key("Gateway", waypoint.namespace, waypoint.name),
    ref_key("GatewayClass", self.mesh.root_namespace, WAYPOINT) } do
    collect(self, self.by_ref[key], proxy, found, "service " .. service.fqdn)
  end
end

-- The list of rbac's settings that a policy's rules belong to, made when it is not there yet.
local function list_for(conf, policy)
  local name = LIST_OF[policy.spec.action]
  if dry_run.is_on(policy) then
    conf.dry_run = conf.dry_run or {}
    conf = conf.dry_run
  end
  conf[name] = conf[name] or {}
  return conf[name]
end

local function add_rules(self, into, policy, origins)
  self.used[policy] = true
  for i in ipairs(policy.spec.rules or {}) do
    local converted = policy.converted and policy.converted[i]
    if converted then
      origins[converted] = { policy, i }
      into[#into + 1] = converted
    end
  end
end

local function in_order(self, found)
  local list = {}
  for policy in pairs(found) do list[#list + 1] = policy end
  table.sort(list, function(a, b) return self.ranks[a] < self.ranks[b] end)
  return list
end

-- CUSTOM is asked first.  An ALLOW policy without rules gives an empty list, which allows nothing; no ALLOW policy
-- gives no list.
-- `port` is what rules on ports are about, where the listener's is another.
local function uses_of(self, found, origins, port)
  local conf, uses, asking, asked, believing, first = { port = port }, {}, {}, {}, {}, nil
  for _, policy in ipairs(in_order(self, found)) do
    if policy.kind == "RequestAuthentication" then
      self.used[policy] = true
      believing[#believing + 1] = policy
    elseif policy.spec.action == "CUSTOM" then
      add_rules(self, asked, policy, origins)
      asking[#asking + 1] = policy.spec.provider and policy
    else
      first = first or policy
      add_rules(self, list_for(conf, policy), policy, origins)
    end
  end
  if asking[1] then uses[1] = custom.use(asking, asked, self.mesh.providers, self.backends, port) end
  uses[#uses + 1] = request_authentication.use(believing, self.backends)
  if first then uses[#uses + 1] = { name = "rbac", conf = conf, at = first:place { "spec" } } end
  return uses[1] and uses
end

--- The uses of policies that guard these workloads, in order, or nil when none counts for them. It is one and the same
-- list each time that it is asked for the same workloads: thousands of routes share what thousands of policies say.
-- `origins[use.conf.allow[i]]` gives { policy, rule index } for the messages about that rule.
-- @param port where the workloads take what is guarded; nil: at the listener's
function authorization:guard(guarded, origins, port)
  self.guards[guarded] = self.guards[guarded] or {}
  local known = self.guards[guarded]
  if known[port or ANY] == nil then
    local found = {}
    for _, workload in ipairs(guarded) do add_workload(self, workload, found) end
    known[port or ANY] = uses_of(self, found, origins, port) or false
  end
  return known[port or ANY] or nil
end

--- What guards workloads where they are called without their service's listener: guard() at their own port.
-- @param pods those of them that are guarded, a gateway's; nil: all
function authorization:guard_behind(service, port, origins, pods)
  local guarded = pods or service.behind
  if not self.numbers[port] then
    local found = {}
    for _, workload in ipairs(guarded) do add_workload(self, workload, found) end
    self.numbers[port] = ports.of_workloads(in_order(self, found), service, port, pods ~= nil)
  end
  return self:guard(guarded, origins, self.numbers[port])
end

--- Puts what guard() gave before the other uses of a list.
function authorization.prepend(uses, guard)
  for i, use in ipairs(guard or {}) do table.insert(uses, i, use) end
end

-- Selectors mean nothing to a waypoint of the new form.
local function warn_of_selectors(self, service)
  for _, workload in ipairs(service.behind) do
    for _, policy in ipairs(self.by_workload[workload] or {}) do
      self.used[policy] = true
      policy:warn({ "spec", policy.spec.selector and "selector" or nil },
        ("does not count for %s: its waypoint takes policies by targetRefs only"):format(service.fqdn))
    end
  end
end

--- The same for a port of a service: its workloads' policies, or those of its waypoint. One of the old form takes both.
-- @param listener_port where it is asked for
function authorization:guard_service(service, port, origins, listener_port)
  local waypoint = service.waypoint
  local found = {}
  if waypoint then add_waypoint(self, waypoint, service, found) end
  if not waypoint or waypoint.legacy then
    for _, workload in ipairs(service.behind) do add_workload(self, workload, found) end
  else
    warn_of_selectors(self, service)
  end
  if not waypoint then
    for policy in pairs(found) do rules.warn_of_addresses(policy, service) end
  end
  local number = waypoint and port.number or ports.of_workloads(in_order(self, found), service, port)
  return uses_of(self, found, origins, number ~= listener_port and number or nil)
end

--- Warns of every policy that guards nothing here.
function authorization:warn_unused()
  for _, policy in ipairs(self.policies) do
    local spec = policy.spec
    if not self.used[policy] and attachment.refs(spec)[1] then
      policy:warn({ "spec", spec.targetRef and "targetRef" or "targetRefs" },
        "guards nothing: no Gateway, or service with a waypoint, is what it refers to")
    elseif not self.used[policy] then
      policy:warn({ "spec", spec.selector and "selector" or nil },
        "guards nothing: no service here has a workload that it selects")
    end
  end
end

return authorization
