--- Host names, label selectors and references as Kubernetes and Istio compare them.
local names = {}

local DOMAIN = ".svc.cluster.local"

--- Full name of a service.
function names.service(name, namespace)
  return name .. "." .. namespace .. DOMAIN
end

--- Principal of a service account, as a URI SAN holds it.
function names.principal(trust_domain, namespace, account)
  return ("spiffe://%s/ns/%s/sa/%s"):format(trust_domain, namespace, account)
end

--- A host as a rule writes it, in lower case and in full: a name without a dot is a service of the
-- rule's own namespace (Istio: VirtualService.hosts, DestinationRule.host).
function names.expand(host, namespace)
  host = host:lower()
  if host == "*" or host:find(".", 1, true) then return host end
  return names.service(host, namespace)
end

--- Whether `host` is one of those that `pattern` means: equal, or `*` at its start and the rest a
-- suffix (`*.foo.com` is not foo.com, `*foo.com` is).
function names.host_matches(pattern, host)
  if pattern == "*" or pattern == host then return true end
  if pattern:sub(1, 1) ~= "*" then return false end
  local suffix = pattern:sub(2)
  return host:sub(-#suffix) == suffix
end

--- What two host patterns have in common: the narrower one, or nil.
function names.host_intersection(a, b)
  if names.host_matches(a, b) then return b end
  if names.host_matches(b, a) then return a end
end

--- Whether `labels` hold everything that `selector` asks for; an empty selector asks for nothing.
function names.selects(selector, labels)
  for name, value in pairs(selector) do
    if labels[name] ~= value then return false end
  end
  return true
end

--- Namespace and name of a reference "ns/name" or "name".
function names.reference(text, namespace)
  local ns, name = text:match("^([^/]+)/(.+)$")
  return ns or namespace, name or text
end

return names
