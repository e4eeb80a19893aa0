--- The pods that an Istio Gateway's selector picks: who they are, and which policies guard them.
local names = require "moongate.config.manifests.names"
local workloads = require "moongate.config.manifests.workloads"

local gateway_pods = {}

local PROXY_SETTINGS = "proxy.istio.io/config" -- annotation

-- Who may be believed about the client is said for the whole mesh here; what a pod says of it must not be lost.
local function check_own_settings(pod)
  local path, template = { "metadata", "annotations", PROXY_SETTINGS }, pod.object.spec.template
  local said = pod.object.annotations[PROXY_SETTINGS]
  if template then
    path = { "spec", "template", unpack(path) }
    said = template.metadata and template.metadata.annotations[PROXY_SETTINGS]
  end
  if said and said:find("gatewayTopology", 1, true) then
    pod.object:refuse(path, "gatewayTopology of single pods is not supported yet; that of the mesh's defaultConfig is")
  end
end

--- The workloads that a Gateway's selector picks, in any namespace; an empty list, and a warning, for none.
function gateway_pods.find(context, gateway)
  local selector = gateway.spec.selector
  local found = next(selector) and workloads.select(context.workloads, selector) or {}
  if #found == 0 then
    gateway:warn({ "spec", "selector" }, "no Deployment's pods carry these labels, so its calls have no identity; "
      .. "policies count for it as for pods with these labels in its own namespace")
  end
  for _, pod in ipairs(found) do
    check_own_settings(pod)
    pod.object:attach(("Gateway %s/%s"):format(gateway.namespace, gateway.name))
  end
  return found
end

--- What stands for the pods of a Gateway that nobody knows, to those who guard them.
function gateway_pods.stand_in(context, gateway)
  local pod = { name = gateway.name, namespace = gateway.namespace, labels = gateway.spec.selector }
  context.authorization:introduce(pod)
  return pod
end

local function port_of(service, number)
  for _, list in ipairs { service.ports, service.others } do
    for _, port in ipairs(list) do
      if port.number == number then return port end
    end
  end
end

--- The Service that leads a server's port of this number to the pods of its gateway, and its port; or nil.
function gateway_pods.service_before(context, pods, number)
  for _, service in ipairs(context.services) do
    local selector, port = service.object.spec.selector or {}, port_of(service, number)
    for _, pod in ipairs(port and next(selector) and pods or {}) do
      if pod.namespace == service.object.namespace and names.selects(selector, pod.labels) then return service, port end
    end
  end
end

return gateway_pods
