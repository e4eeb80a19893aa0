--- Where a policy counts: AuthorizationPolicy and its like attach by a selector or by targetRefs.
--
-- A proxy is { namespace, labels, gateway = name of the Gateway that it runs for, class = "istio-waypoint" at a
-- waypoint, refs_only = true where selectors mean nothing (waypoints), services = { { kind, name, namespace } } }.
-- Without `gateway` it is a workload of its own, which selectors alone reach.
local names = require "moongate.config.manifests.names"
local path_to = require "moongate.config.manifests.path"

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
  if not proxy.class then return false end -- services and classes are a waypoint's
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

-- ---- what is refused ----------------------------------------------------------------------

local function check_refs(policy)
  local spec = policy.spec
  if (spec.selector and 1 or 0) + (spec.targetRefs and #spec.targetRefs > 0 and 1 or 0)
    + (spec.targetRef and 1 or 0) > 1 then
    policy:refuse({ "spec", spec.targetRef and "targetRef" or "targetRefs" },
      "expected one of selector, targetRefs and targetRef")
  end
  for i, ref in ipairs(attachment.refs(spec)) do
    local path = spec.targetRef == ref and { "spec", "targetRef" } or { "spec", "targetRefs", i }
    if not attachment.is_known(ref) then
      policy:refuse(path_to(path, "kind"), ("%s of group %q is nothing that a policy attaches to; "
        .. "Gateway, GatewayClass, Service and ServiceEntry are"):format(ref.kind, ref.group))
    elseif ref.namespace and ref.namespace ~= policy.namespace then
      policy:refuse(path_to(path, "namespace"), "expected the policy's own namespace")
    end
  end
end

--- Refuses labels that select nothing.
function attachment.check_selector(policy)
  for name, value in pairs(policy.spec.selector and policy.spec.selector.matchLabels or {}) do
    if value:find("*", 1, true) or name:find("*", 1, true) or name == "" then
      policy:refuse({ "spec", "selector", "matchLabels", name }, "expected a label and its whole value")
    end
  end
end

--- Refuses a selector and references that a policy cannot have.
function attachment.check(policy)
  check_refs(policy)
  attachment.check_selector(policy)
end

return attachment
