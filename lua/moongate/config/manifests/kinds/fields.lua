--- Parts that the field lists of several kinds share.
local fields = {}

--- The versions of Istio's networking kinds.
fields.NETWORKING = { "networking.istio.io/v1", "networking.istio.io/v1beta1", "networking.istio.io/v1alpha3" }

--- A field that is taken without effect: it means nothing to a gateway and narrows no access.
function fields.ignored(name)
  return { name, type = "any", ignored = true, doc = "Taken, without effect here." }
end

--- A field that exists, and is refused by name as long as nothing honours it.
function fields.later(name)
  return { name, type = "any", later = true, doc = "Not supported yet." }
end

--- Fields of metadata; a pod template's needs no name.
function fields.metadata(name_required)
  local list = {
    { "name", type = "string", required = name_required, pattern = "^[%w][%w.-]*$", doc = "Name of the object." },
    { "namespace", type = "string", pattern = "^[%w][%w-]*$", doc = "Its namespace; default when absent." },
    { "labels", type = "map", values = { type = "string" }, default = {}, doc = "Labels." },
    { "annotations", type = "map", values = { type = "string" }, default = {}, doc = "Annotations." },
  }
  for name in ([[creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers generateName generation
      managedFields ownerReferences resourceVersion selfLink uid]]):gmatch("%S+") do
    list[#list + 1] = fields.ignored(name)
  end
  return list
end

--- Fields of a pod's spec: what runs inside is no matter of the gateway's; who it runs as is.
function fields.pod_spec()
  local list = {
    { "serviceAccountName", type = "string", doc = "Identity of the pods." },
    { "serviceAccount", type = "string", doc = "Old name of serviceAccountName." },
  }
  for name in ([[activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy
      enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers hostname
      imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority priorityClassName
      readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName schedulingGates
      securityContext setHostnameAsFQDN shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations
      topologySpreadConstraints volumes]]):gmatch("%S+") do
    list[#list + 1] = fields.ignored(name)
  end
  return list
end

--- A list of strings.
function fields.strings(name, doc)
  return { name, type = "list", items = { type = "string" }, doc = doc }
end

--- A kind whose fields are all in `spec`.
-- @param group array of the apiVersions that are read
function fields.kind(group, spec, required)
  return {
    versions = group,
    fields = { { "spec", type = "record", required = required, default = not required and {} or nil, fields = spec,
      doc = "What the object says." } },
  }
end

local target_ref = {
  { "group", type = "string", default = "", doc = "Group of the kind; the core group when empty." },
  { "kind", type = "string", required = true, doc = "Gateway, GatewayClass, Service or ServiceEntry." },
  { "name", type = "string", required = true, min = 1, doc = "Its name." },
  { "namespace", type = "string", doc = "The policy's own namespace; no other one may be named." },
}

--- The fields of a policy's spec, with those that say for what it counts added to `list`.
function fields.attached(list)
  for _, field in ipairs {
    { "selector", type = "record", doc = "Workloads it counts for; all of the namespace when absent.", fields = {
      { "matchLabels", type = "map", values = { type = "string" }, default = {}, doc = "Labels of the workload." } } },
    { "targetRefs", type = "list", items = { type = "record", fields = target_ref }, max = 16,
      doc = "What it counts for, in place of selector." },
    { "targetRef", type = "record", fields = target_ref, doc = "Old form of targetRefs." },
  } do
    list[#list + 1] = field
  end
  return list
end

return fields
