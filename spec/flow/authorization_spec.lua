--- AuthorizationPolicies of a mesh's files, asked by real requests.
local gateway = require "spec.support.gateway"
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
