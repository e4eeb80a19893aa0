local fake = require "spec.support.fake_ctx"
local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"
local rbac = require "policies.rbac"

local object = mesh.object

local function service(ports)
  return mesh.service("shop", ("{clusterIP: 127.0.20.1, selector: {app: shop}, ports: [%s]}"):format(ports), "prod")
end

local function pod(name, number, labels)
  return ("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: prod, labels: {app: shop%s}}\n"
    .. "spec: {containers: [{ports: [{name: web, containerPort: %d}]}]}\nstatus: {podIP: 10.0.0.%d}\n---\n")
    :format(name, labels or "", number, number % 200)
end

local function deny(rule, more)
  return object("security.istio.io/v1", "AuthorizationPolicy", "p",
    ("{%saction: DENY, rules: [%s]}"):format(more or "", rule), "prod")
end

local function to(field, ports) return ("{to: [{operation: {%s: [%s]}}]}"):format(field, ports) end

-- Whether policies of a list answer a request to a listener of this port.
local function refuses(uses, port)
  for _, use in ipairs(uses or {}) do
    if use.name == "rbac" and rbac.request(rbac.prepare(use.conf), fake.new { port = port }) then return true end
  end
  return false
end

local function load(text)
  local model, errors = manifest.load(text)
  assert.same({}, errors)
  return model
end

local WEB = service "{name: http, port: 80, targetPort: web}"
local SLICE = [[
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: prod, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [127.0.0.9]}]
---
]]

-- A ServiceEntry of port 80, whose workload has another, behind an ingress gateway.
local ENTRY = object("networking.istio.io/v1", "Gateway", "edge",
  "{servers: [{port: {number: 18090, name: http, protocol: HTTP}, hosts: ['*']}]}", "prod")
  .. object("networking.istio.io/v1", "ServiceEntry", "vm", "{hosts: [vm.test], resolution: STATIC, "
  .. "location: MESH_INTERNAL, ports: [{number: 80, name: http, protocol: HTTP}], "
  .. "workloadSelector: {labels: {app: vm}}}", "prod")
  .. object("networking.istio.io/v1", "WorkloadEntry", "vm1",
  "{address: 127.0.0.9, labels: {app: vm}, ports: {http: 8080}}", "prod")
  .. object("networking.istio.io/v1", "VirtualService", "vm",
  "{hosts: [vm.test], gateways: [edge], http: [{route: [{destination: {host: vm.test}}]}]}", "prod")

-- A gateway that its Service opens to clients at another port than the pods have.
local EDGE = object("networking.istio.io/v1", "Gateway", "edge", "{selector: {istio: edge}, "
  .. "servers: [{port: {number: 18090, name: http, protocol: HTTP}, hosts: ['*']}]}", "prod")
  .. mesh.service("edge", "{selector: {istio: edge}, ports: [{name: $name, port: 18090, targetPort: 8080}]}", "prod")
  .. object("networking.istio.io/v1", "VirtualService", "edge",
  "{hosts: [a.test], gateways: [edge], http: [{directResponse: {status: 200}}]}", "prod")
local EDGE_PODS = object("apps/v1", "Deployment", "edge",
  "{selector: {}, template: {metadata: {labels: {istio: edge}}}}", "prod")

describe("Rules on ports", function()
  it("are about the port of an ingress gateway's pods, where a Service leads to it", function()
    for _, pods in ipairs { EDGE_PODS, "" } do
      for _, name in ipairs { "http2", "http" } do
        for number, expected in pairs { [8080] = true, [18090] = false } do
          local text = (EDGE:gsub("%$name", name)) .. pods .. deny(to("ports", "'" .. number .. "'"))
          for _, route in ipairs(load(text).routes) do
            assert.equal(expected, refuses(route.policies, 18090), number)
          end
        end
      end
    end
    local _, errors = manifest.load((EDGE:gsub("8080", "web"):gsub("%$name", "http"))
      .. deny("{to: [{operation: {paths: [/a]}}]}, " .. to("ports", "'8080'")))
    assert.equal('AuthorizationPolicy p: spec.rules[1].to[0].operation.ports: cannot be judged: nothing here says '
      .. 'which number the port "web" of edge.prod.svc.cluster.local:18090 has', manifest.messages(errors))
    assert.is_truthy(load(WEB .. deny(to("ports", "'8080'")))) -- nobody can be called there
  end)

  it("are about the number that the endpoints have", function()
    local text = WEB .. mesh.workload("shop", "prod") .. SLICE
    assert.is_true(refuses(load(text .. deny(to("ports", "'8080'"))).routes[1].policies, 80))
    assert.is_false(refuses(load(text .. deny(to("ports", "'80'"))).routes[1].policies, 80))
  end)

  it("are about the number that a Service declares, and refused where they mean that of who is listed", function()
    local text = service "{name: http, port: 80, targetPort: 81}" .. mesh.workload("shop", "prod") .. SLICE
    assert.is_true(refuses(load(text .. deny(to("ports", "'81'"))).routes[1].policies, 80))
    assert.is_true(refuses(load(text .. deny(to("ports", "'81', '8080'"))).routes[1].policies, 80))
    assert.is_false(refuses(load(text .. deny(to("ports", "'80'"))).routes[1].policies, 80))
    local _, errors = manifest.load(text .. deny(to("ports", "'8080'")))
    assert.matches("endpoints of shop.prod.svc.cluster.local:80 have the ports 8080, and all are taken for 81",
      manifest.messages(errors), 1, true)
  end)

  it("are about the number that a workload of a ServiceEntry has of its own", function()
    for number, expected in pairs { [8080] = true, [80] = false, [18090] = false } do
      local model = load(ENTRY .. deny(to("ports", "'" .. number .. "'"), "selector: {matchLabels: {app: vm}}, "))
      assert.equal(expected, refuses(model.routes[1].backends[1].policies, 18090), number)
    end
  end)

  it("are refused where they would tell endpoints of one port apart", function()
    local text = WEB .. pod("shop-1", 8080) .. pod("shop-2", 9090, ", v: b")
    local function mistake(rule, more)
      local _, errors = manifest.load(text .. deny(rule, more))
      return manifest.messages(errors)
    end
    local why = "cannot be judged: endpoints of shop.prod.svc.cluster.local:80 have the ports 8080, 9090, and all "
    assert.matches("spec.rules[0].to[0].operation.ports: " .. why,
      mistake(to("ports", "'9090'"), "selector: {matchLabels: {v: b}}, "), 1, true)
    assert.matches("spec.rules[0].to[0].operation.notPorts: " .. why, mistake(to("notPorts", "'8080'")), 1, true)
    assert.matches("spec.rules[0].when[0].values: " .. why,
      mistake "{when: [{key: destination.port, values: ['8080', '1']}]}", 1, true)
    assert.equal("", mistake(to("ports", "'1'")))
    assert.equal("", mistake(to("ports", "'9090', '8080'")))
  end)

  it("are refused so where a Gateway calls the endpoints themselves", function()
    local text = mesh.service("shop", "{clusterIP: None, selector: {app: shop}, "
      .. "ports: [{name: http, port: 80, targetPort: web}]}", "prod") .. pod("shop-1", 8080)
      .. object("gateway.networking.k8s.io/v1", "Gateway", "gw",
      "{gatewayClassName: istio, listeners: [{name: web, port: 8000, protocol: HTTP}]}", "prod")
      .. object("gateway.networking.k8s.io/v1", "HTTPRoute", "r",
      "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: shop, port: 80}]}]}", "prod")
      .. deny(to("ports", "'8080'"), "selector: {matchLabels: {app: shop}}, ")
    assert.is_true(refuses(load(text).routes[1].backends[1].policies, 8000))
    local _, errors = manifest.load(text .. pod("shop-2", 9090))
    assert.matches("cannot be judged: endpoints of shop.prod", manifest.messages(errors), 1, true)
  end)

  it("count at each port of a service that a route of another of its ports sends to", function()
    local ports = "{name: http, port: 80, targetPort: 9090}, {name: http-admin, port: 81, targetPort: 9091}"
    local function text(more, labels)
      return (service(ports):gsub("namespace: prod}", "%0" .. (labels or ""), 1)) .. pod("shop-1", 1)
        .. object("gateway.networking.k8s.io/v1", "HTTPRoute", "r", "{parentRefs: [{kind: Service, group: '', "
        .. "name: shop, port: 80}], rules: [{backendRefs: [{name: shop, port: 81}, {name: shop, port: 80}]}]}", "prod")
        .. object("security.istio.io/v1", "RequestAuthentication", "tokens",
        "{jwtRules: [{issuer: i, jwksUri: 'https://keys.test'}]}", "prod") .. more
    end
    local model = load(text(deny(to("ports", "'9091'"))))
    local route = manifest.routes_at(model, "mesh shop.prod.svc.cluster.local:80")[1]
    assert.is_false(refuses(route.policies, 80))
    assert.is_true(refuses(route.backends[1].policies, 80))
    assert.equal("rbac", route.backends[1].policies[1].name) -- the tokens have been looked at
    assert.is_nil(route.backends[2].policies)
  end)
end)
