--- Where a policy counts: AuthorizationPolicy and its like attach by a selector or by targetRefs.
--
-- A proxy is { namespace, labels, gateway = name of the Gateway that it runs for, class = "istio-waypoint" at a
-- waypoint, refs_only = true where selectors mean nothing (waypoints), services = { { kind, name, namespace } } }.
-- Without `gateway` it is a workload of its own, which selectors alone reach.
local names = require "moongate.config.manifests.names"

local attachment = {}

-- The kinds that a reference may mean, with their groups ("core" is "" written out).
local GROUPS = { Gateway = "gateway.networking.k8s.io", GatewayClass = "gateway.networking.k8s.io", Service = "",
  ServiceEntry = "networking.istio.io" }

--- References of a policy's spec; the old singular form counts like a list of one.
function attachment.refs(spec)
  if spec.targetRefs and #spec.targetRefs > 0 then return spec.targetRefs end
  return spec.targetRef and { spec.targetRef } or {}
end

--- Whether a reference is of a kind and group that policies attach to.
function attachment.is_known(ref)
  return GROUPS[ref.kind] == (ref.group == "core" and "" or ref.group or "")
end

local function has_service(proxy, ref, namespace)
  for _, service in ipairs(proxy.services or {}) do
    if service.kind == ref.kind and service.name == ref.name and service.namespace == namespace then return true end
  end
  return false
end

--- Whether a reference of a policy means this proxy; one to another namespace never does.
local function refers_to(ref, policy, proxy, root)
  if ref.namespace and ref.namespace ~= policy.namespace or not attachment.is_known(ref) then return false end
  if ref.kind == "Gateway" then return ref.name == proxy.gateway and policy.namespace == proxy.namespace end
  if ref.kind == "GatewayClass" then return ref.name == proxy.class and policy.namespace == root end
  return has_service(proxy, ref, policy.namespace)
end

-- Policies are looked for in the root namespace, the proxy's own, and those of the services behind a waypoint.
local function is_in_sight(policy, proxy, root)
  if policy.namespace == root or policy.namespace == proxy.namespace then return true end
  for _, service in ipairs(proxy.services or {}) do
    if service.namespace == policy.namespace then return true end
  end
  return false
end

--- Whether a policy counts at a proxy (Istio: WorkloadSelector, PolicyTargetReference).
-- @param policy { namespace, spec = { selector, targetRefs, targetRef } }
-- @param root name of the root namespace, whose policies count for the whole mesh
function attachment.attaches(policy, proxy, root)
  if not is_in_sight(policy, proxy, root) then return false end
  local refs = attachment.refs(policy.spec)
  for _, ref in ipairs(proxy.gateway and refs or {}) do
    if refers_to(ref, policy, proxy, root) then return true end
  end
  if #refs > 0 or proxy.refs_only then return false end
  local selector = policy.spec.selector
  return names.selects(selector and selector.matchLabels or {}, proxy.labels)
end

return attachment
