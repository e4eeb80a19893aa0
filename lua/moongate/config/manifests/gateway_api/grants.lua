--- grants: which references into other namespaces ReferenceGrants allow.
local grants = {}

local KIND = "gateway.networking.k8s.io/ReferenceGrant"

local function names(list, group, kind, key, value)
  for _, entry in ipairs(list) do
    if entry.group == group and entry.kind == kind and (entry[key] == nil or entry[key] == value) then return true end
  end
  return false
end

--- Whether `object` may refer to `name` of the core group's `kind` in `namespace`; its own namespace needs no grant.
function grants.allow(store, object, kind, namespace, name)
  if namespace == object.namespace then return true end
  for _, grant in ipairs(store:all(KIND)) do
    if grant.namespace == namespace and names(grant.spec.from, object.group, object.kind, "namespace", object.namespace)
      and names(grant.spec.to, "", kind, "name", name) then
      return true
    end
  end
  return false
end

return grants
