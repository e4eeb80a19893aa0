--- AuthorizationPolicies of a mesh's files, asked by real requests.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local mesh = require "spec.support.mesh"
local upstream = require "spec.support.upstream"

local MESH = mesh.service("shop", "{clusterIP: 127.0.0.1, selector: {app: shop}, ports: [{name: http, port: $web}]}")
  .. mesh.workload "shop" .. mesh.endpoint("shop", "$up") .. [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: readers}
spec:
  selector: {matchLabels: {app: shop}}
  rules:
  - to: [{operation: {methods: [GET], paths: ["/open/*", "/items/{*}/price"], ports: ["$web"]}}]
  - when: [{key: "request.headers[x-role]", values: [admin]}, {key: destination.ip, values: [127.0.0.1]}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed, namespace: istio-system}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ["/open/closed*"]}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: later, annotations: {istio.io/dry-run: "true"}}
spec:
  action: DENY
  rules:
  - to: [{operation: {paths: ["/open/later"]}}]
]]

describe("AuthorizationPolicies", function()
  local gw, up

  setup(function()
    up = upstream.start(function(request)
      request:read()
      return { body = request.target }
    end)
    gw = gateway.start_mesh { values = { up = up.port }, config = MESH }
  end)

  teardown(gateway.stop_all)

  local function ask(path, request)
    request = request or {}
    request.path = path
    return assert(gw:ask(request))
  end

  it("let in what a rule allows, and nothing else", function()
    assert.equal("/open/a?q=1", ask("/open/a?q=1").body)
    assert.equal(200, ask("/items/7/price").status)
    assert.equal(200, ask("/any", { method = "DELETE", headers = { ["x-role"] = "admin" } }).status)
    local refused = ask("/any")
    assert.same({ 403, "RBAC: access denied" }, { refused.status, refused.body })
    assert.equal(403, ask("/open/a", { method = "POST" }).status)
    assert.equal(403, ask("/open/closed/now").status)
  end)

  it("see a path in its one spelling, as the service does", function()
    assert.equal(403, ask("/open/../any").status)
    assert.equal(403, ask("/open/%2e%2e/any").status)
    assert.equal(403, ask("/open/x/../%63losed").status)
    assert.equal("/open/a", ask("/any/../open/./%61").body)
    assert.equal(400, ask("/open/%00").status)
  end)

  it("on trial change nothing, and are counted", function()
    local labels = { action = "deny", result = "denied" }
    local before = gw:metric("moongate_rbac_dry_run_total", labels)
    assert.equal(200, ask("/open/later").status)
    assert.equal(before + 1, gw:counts("moongate_rbac_dry_run_total", labels, before + 1))
  end)
end)

local EDGES = [[
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {servers: [{port: {number: $edge, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: [a.test, "*.b.test"], gateways: [edge],
  http: [{match: [{uri: {exact: /ok}}], directResponse: {status: 200}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: kube}
spec:
  gatewayClassName: istio
  listeners:
  - {name: a, port: $kube, protocol: HTTP, hostname: a.test}
  - {name: b, port: $kube, protocol: HTTP, hostname: "*.b.test"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: kube}
spec:
  parentRefs: [{name: kube}]
  hostnames: [a.test, "*.b.test"]
  rules:
  - matches: [{path: {type: Exact, value: /ok}}]
    filters: [{type: RequestRedirect, requestRedirect: {statusCode: 302, hostname: c.test}}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: known}
spec: {rules: [{when: [{key: "request.headers[x-in]", values: ["*"]}]}]}
]]

describe("AuthorizationPolicies at gateways", function()
  local gw

  setup(function() gw = gateway.start_mesh { config = EDGES } end)
  teardown(gateway.stop_all)

  it("are asked about requests that no route takes, too", function()
    for port, good in pairs { edge = 200, kube = 302 } do
      for _, host in ipairs { "a.test", "x.b.test", "other.test" } do
        local known = host ~= "other.test" and good or 404
        for path, status in pairs { ["/ok"] = known, ["/none"] = 404 } do
          local request = { path = path, host = host }
          local address = "127.0.0.1:" .. gw.ports[port]
          assert.equal(403, assert(http.ask(address, request)).status)
          request.headers = { ["x-in"] = "1" }
          assert.equal(status, assert(http.ask(address, request)).status)
        end
      end
    end
    -- Eight of the twelve have no route.
    assert.equal(8, gw:counts("moongate_requests_total", { route = "", code = "404" }, 8))
    assert.equal(8, gw:counts("moongate_requests_total", { route = "", code = "403" }, 8))
    assert.equal(0, gw:metric("moongate_requests_total", { code = "404", route = "ingress 0.0.0.0:"
      .. gw.ports.edge .. " no route" }))
  end)
end)
