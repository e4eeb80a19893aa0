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

return fields
