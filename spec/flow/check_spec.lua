--- `moongate check` of a folder: what it says of each resource and field, by file and line.
require "spec.support.init"
local gateway = require "spec.support.gateway"
local kinds = require "moongate.config.manifests.kinds"

local GOOD = [[
apiVersion: v1
kind: Service
metadata: {name: shop, uid: 7f}
spec:
  clusterIP: 127.0.0.2
  internalTrafficPolicy: Local
  ports: [{name: http, port: 8080, nodePort: 30000}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: 9000}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: notes}
data: {a: b}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: nowhere}
spec: {selector: {matchLabels: {app: none}}, rules: [{}]}
]]

local BAD = [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: wrong}
spec:
  rules:
  - from: [{source: {principles: [a]}}]
]]

describe("moongate check", function()
  teardown(gateway.stop_all)

  local function check(files)
    local folder = gateway.folder()
    for name, text in pairs(files) do gateway.write(folder .. "/" .. name, text) end
    local code, text = gateway.run("check", folder)
    return code, text:gsub("[^\n]-/([%w-]+%.yaml)", "%1")
  end

  local function has(text, line)
    assert.truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line .. "\nis not in\n" .. text)
  end

  it("says where each resource counts, and which fields do not", function()
    local code, text = check { ["a.yaml"] = GOOD }
    assert.equal(0, code, text)
    has(text, "a.yaml:1: Service default/shop: accepted, attached to listener mesh shop.default.svc.cluster.local:8080")
    has(text, "a.yaml:3:   metadata.uid: ignored: no effect here")
    has(text, "a.yaml:6:   spec.internalTrafficPolicy: ignored: no effect here")
    has(text, "a.yaml:7:   spec.ports[0].nodePort: ignored: no effect here")
    has(text, "a.yaml:9: EndpointSlice default/shop-1: accepted, attached to service shop.default.svc.cluster.local")
    has(text, "a.yaml:16: ConfigMap default/notes: accepted, not used by anything")
    has(text, "a.yaml:21: AuthorizationPolicy default/nowhere: accepted, not used by anything")
    has(text, "ok: 1 listener, 1 route, 1 service")
  end)

  it("ignores nothing that narrows who may do what", function()
    local function look(fields, path)
      for _, field in ipairs(fields) do
        local name = path .. "." .. field[1]
        assert.is_nil(field.ignored, name)
        for _, inner in ipairs { field, field.items or {}, field.values or {} } do
          if inner.fields then look(inner.fields, name) end
        end
      end
    end
    for _, kind in ipairs { "AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication" } do
      local definition = kinds.find("security.istio.io/v1", kind)
      for _, field in ipairs(definition and definition.fields or {}) do
        if field[1] == "spec" then look(field.fields, kind) end
      end
    end
  end)

  it("names what is refused, beside the mistake itself", function()
    local code, text = check { ["a.yaml"] = GOOD, ["b.yaml"] = BAD }
    assert.equal(1, code)
    has(text, "b.yaml:1: AuthorizationPolicy wrong: refused")
    assert.truthy(text:find("b.yaml:6: AuthorizationPolicy wrong: spec.rules[0].from[0].source.principles: ", 1, true))
    has(text, "a.yaml:9: EndpointSlice default/shop-1: accepted, attached to service shop.default.svc.cluster.local")
    assert.is_nil(text:find "ok: ")
  end)

  it("tries certificates and authorities, and says where what cannot be used is asked for", function()
    local path = gateway.write(gateway.folder() .. "/a.yaml", [[
apiVersion: v1
kind: Secret
metadata: {name: pair}
type: kubernetes.io/tls
stringData:
  tls.crt: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
  tls.key: "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: authorities}
data: {ca.crt: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: moongate
  tls:
    frontend:
      default:
        validation:
          caCertificateRefs:
          - {name: authorities}
  listeners:
  - {name: s, port: 8443, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}
]])
    local code, text = gateway.run("check", path)
    assert.equal(0, code, text) -- a later edit may mend it; until then nothing is served
    assert.matches("a.yaml:26: warning: Gateway web: spec.listeners[0].tls.certificateRefs[0]: the Secret pair cannot "
      .. "be used: ", text, 1, true)
    assert.matches("a.yaml:24: warning: Gateway web: spec.tls.frontend.default.validation.caCertificateRefs[0]: the "
      .. "ConfigMap authorities cannot be used: ", text, 1, true)
    assert.truthy(text:find("\nok: 0 listeners", 1, true))
  end)
end)
