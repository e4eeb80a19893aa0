--- mesh: YAML of what many specs begin with.
local process = require "spec.support.process"

local mesh = {}

--- A document, its end too; `spec` as YAML in one line.
-- @param namespace "default" when not given
function mesh.object(api, kind, name, spec, namespace)
  return ("apiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: %s\n---\n"):format(api, kind, name,
    namespace or "default", spec)
end

function mesh.service(name, spec, namespace)
  return mesh.object("v1", "Service", name, spec, namespace)
end

--- A Deployment of Pods with the label app=NAME.
function mesh.workload(name, namespace)
  return mesh.object("apps/v1", "Deployment", name,
    ("{selector: {}, template: {metadata: {labels: {app: %s}}}}"):format(name), namespace)
end

--- Where a Service is served: at this port of 127.0.0.1.
function mesh.endpoint(name, port)
  return ([[
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s-1, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: %s}]
---
]]):format(name, name, port)
end

--- The ConfigMap that holds these lines of a MeshConfig.
function mesh.config(text)
  local head = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n"
  return (head .. "data:\n  mesh: |\n%s---\n"):format(text:gsub("[^\n]+", "    %0"))
end

--- The Service and the workload "shop" of namespace prod.
mesh.SHOP = mesh.service("shop",
  "{clusterIP: 127.0.20.1, selector: {app: shop}, ports: [{name: http, port: 80}]}", "prod")
  .. mesh.workload("shop", "prod")

--- These, a Service "other" of namespace test, and a Gateway "gw" of prod.
mesh.SHOPS = mesh.SHOP
  .. mesh.service("other", "{clusterIP: 127.0.20.2, ports: [{name: http, port: 80}]}", "test")
  .. mesh.object("gateway.networking.k8s.io/v1", "Gateway", "gw",
    "{gatewayClassName: istio, listeners: [{name: web, port: 8000, protocol: HTTP}]}", "prod")

--- Of the folder that spec.support.certs filled, for blocks of YAML four columns in: { cert =, key =, ca = }.
function mesh.pair(folder, name)
  local function indented(file)
    return (process.file(folder .. "/" .. file):gsub("[^\n]+", "    %0"))
  end
  return { cert = indented(name .. ".crt"), key = indented(name .. ".key"), ca = indented "ca.crt" }
end

return mesh
