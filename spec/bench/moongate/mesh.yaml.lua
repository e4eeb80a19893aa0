-- The gateway by YAML: @COUNT@ HTTPRoutes, the even ones by host, the odd ones by path, and half as many
-- AuthorizationPolicies, each of which lets one user in.
local COUNT = tonumber("@COUNT@")

local parts = { [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: istio
  listeners: [{name: http, port: @PORT@, protocol: HTTP}]
---
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {clusterIP: None, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {name: both-1, labels: {kubernetes.io/service-name: both}}
ports: [{name: http, port: @A@}]
endpoints: [{addresses: [127.0.0.1]}]
]] }

local ROUTE = [[
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: route-%d}
spec:
  parentRefs: [{name: web}]
  %s
    backendRefs: [{name: both, port: 80}]
]]

local POLICY = [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: user-%d}
spec:
  targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: web}]
  action: ALLOW
  rules:
  - to: [{operation: {methods: [GET, HEAD]}}]
    when: [{key: "request.headers[x-user]", values: [user-%d]}]
]]

for i = 1, COUNT do
  local match = i % 2 == 0 and ("hostnames: [host-%d.example]\n  rules:\n  - matches: [{path: {value: /}}]"):format(i)
    or ("rules:\n  - matches: [{path: {value: /route-%d/}}]"):format(i)
  parts[#parts + 1] = ROUTE:format(i, match)
end
for i = 1, COUNT / 2 do parts[#parts + 1] = POLICY:format(i, i) end

return table.concat(parts, "---\n")
