local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"

-- A service whose port 80 is port 8080 of its workload, and one that only the ingress of its namespace calls.
local MESH = [[
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: prod}
spec:
  clusterIP: 127.0.20.1
  selector: {app: shop}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: http-b, port: 81}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod}
spec: {selector: {}, template: {metadata: {labels: {app: shop}}}}
---
apiVersion: v1
kind: Secret
metadata: {name: istio.default, namespace: prod}
type: istio.io/key-and-cert
stringData: {cert-chain.pem: CERT, key.pem: KEY, root-cert.pem: ROOT}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: prod}
spec: {gatewayClassName: istio, listeners: [{name: web, port: 8000, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: prod}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
]]

local function peers(namespace, spec, name)
  return mesh.object("security.istio.io/v1", "PeerAuthentication", name or "default", spec, namespace)
end

-- The modes of ports 80 and 81: the listeners' TLS in Istio's words.
local function modes(text)
  local model, errors, warnings = manifest.load(MESH .. text)
  assert.same({}, errors)
  local found = {}
  for _, listener in ipairs(model.listeners) do
    local port = listener.name:match "^mesh shop.prod.svc.cluster.local:(%d+)$"
    local tls = listener.tls
    if port then
      found[port] = not tls and "DISABLE" or tls.permissive and "PERMISSIVE" or "STRICT"
      if tls then assert.equal(tls.permissive and "request" or "require", tls.client_auth) end
    end
  end
  return found["80"] .. " " .. found["81"], model, warnings
end

local SHOP = "selector: {matchLabels: {app: shop}}"

local function warned(warnings, text)
  for _, warning in ipairs(warnings) do
    if warning.message:find(text, 1, true) then return warning.line end
  end
end

describe("PeerAuthentications", function()
  it("serve both where nobody says anything", function()
    assert.equal("PERMISSIVE PERMISSIVE", (modes ""))
    assert.equal("PERMISSIVE PERMISSIVE", (modes(peers("prod", "{}") .. peers("istio-system", "{mtls: {}}"))))
    assert.equal("PERMISSIVE PERMISSIVE", (modes(peers("other", "{mtls: {mode: STRICT}}"))))
  end)

  it("count by the narrowest that says anything", function()
    local root, space = peers("istio-system", "{mtls: {mode: STRICT}}"), peers("prod", "{mtls: {mode: DISABLE}}")
    assert.equal("STRICT STRICT", (modes(root)))
    assert.equal("DISABLE DISABLE", (modes(root .. space)))
    assert.equal("STRICT STRICT", (modes(root .. peers("prod", "{mtls: {mode: UNSET}}"))))
    assert.equal("PERMISSIVE PERMISSIVE", (modes(root .. space .. peers("prod", "{" .. SHOP
      .. ", mtls: {mode: PERMISSIVE}}", "shop"))))
    assert.equal("DISABLE DISABLE", (modes(root .. space .. peers("prod", "{" .. SHOP .. "}", "shop"))))
    assert.equal("STRICT DISABLE", (modes(root .. space .. peers("prod", "{" .. SHOP
      .. ", portLevelMtls: {8080: {mode: STRICT}, 80: {mode: PERMISSIVE}, 81: {mode: UNSET}}}", "shop"))))
    assert.equal("DISABLE DISABLE", (modes(space .. peers("prod", "{selector: {matchLabels: {app: none}}, "
      .. "mtls: {mode: STRICT}}", "none"))))
  end)

  it("of one kind: the oldest alone", function()
    local text, _, warnings = modes(peers("prod", "{mtls: {mode: STRICT}}", "old")
      .. peers("prod", "{mtls: {mode: DISABLE}}", "young"))
    assert.equal("STRICT STRICT", text)
    assert.truthy(warned(warnings, "PeerAuthentication young: spec: is not used: "))
    text, _, warnings = modes(peers("prod", "{" .. SHOP .. ", mtls: {mode: STRICT}}", "old")
      .. peers("prod", "{" .. SHOP .. ", mtls: {mode: DISABLE}}", "young"))
    assert.equal("STRICT STRICT", text)
    assert.truthy(warned(warnings, "PeerAuthentication young: spec.selector: counts for nothing"))
    text, _, warnings = modes(peers("istio-system", "{" .. SHOP .. ", mtls: {mode: STRICT}}"))
    assert.equal("PERMISSIVE PERMISSIVE", text)
    assert.truthy(warned(warnings, "means nothing in the root namespace"))
  end)

  it("say how a Gateway calls the service", function()
    local _, model = modes(peers("prod", "{mtls: {mode: DISABLE}}"))
    assert.is_nil(model.services["shop.prod.svc.cluster.local:80 as nobody"].tls)
    _, model = modes(peers("prod", "{mtls: {mode: STRICT}}"))
    assert.equal("ROOT", model.services["shop.prod.svc.cluster.local:80 as nobody"].tls.ca)
  end)

  it("of a service without a certificate leave it unserved when they are strict", function()
    local model, errors, warnings = manifest.load(MESH:gsub("istio.default", "istio.other")
      .. peers("prod", "{" .. SHOP .. ", portLevelMtls: {8080: {mode: STRICT}}}"))
    assert.same({}, errors)
    local found = {}
    for i, listener in ipairs(model.listeners) do found[i] = listener.name end
    table.sort(found)
    assert.same({ "mesh shop.prod.svc.cluster.local:81", "prod/gw 0.0.0.0:8000" }, found)
    assert.truthy(warned(warnings, "spec: is STRICT, and there is no Secret istio.default in the namespace prod for "
      .. "shop.prod.svc.cluster.local:80 to speak TLS with; not served"))
  end)

  it("are refused with what the API server would refuse", function()
    for spec, why in pairs {
      ["{portLevelMtls: {80: {mode: STRICT}}}"] = "spec.portLevelMtls: needs a selector",
      ["{" .. SHOP .. ", portLevelMtls: {}}"] = "spec.portLevelMtls: expected at least one port",
      ["{" .. SHOP .. ", portLevelMtls: {http: {mode: STRICT}}}"] =
        'spec.portLevelMtls.http: expected a port from 1 to 65535, found "http"',
      ["{selector: {matchLabels: {app: '*'}}, mtls: {mode: STRICT}}"] =
        "spec.selector.matchLabels.app: expected a label and its whole value",
      ["{mtls: {mode: STRCT}}"] = "spec.mtls.mode: expected one of 'UNSET', 'DISABLE', 'PERMISSIVE', ",
      ["{mtls: {mod: STRICT}}"] = "spec.mtls.mod: unknown key 'mod'; did you mean 'mode'?",
    } do
      local model, errors = manifest.load(MESH .. peers("prod", spec))
      assert.is_nil(model)
      assert.truthy(errors[1].message:find("PeerAuthentication default: " .. why, 1, true), errors[1].message)
    end
  end)
end)
