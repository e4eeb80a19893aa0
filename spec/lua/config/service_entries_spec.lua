local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"

local EDGE = [[
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {istio: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
]]

local function route_to(destination, namespace)
  return ([[
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge, namespace: %s}
spec: {hosts: ["*"], gateways: [default/edge], http: [{route: [{destination: %s}]}]}
---
]]):format(namespace or "default", destination)
end

local function object(kind, name, spec, namespace)
  return mesh.object("networking.istio.io/v1", kind, name, spec, namespace)
end

local function entry(spec, name, namespace) return object("ServiceEntry", name or "ext", spec, namespace) end

local texts, addresses = manifest.messages, manifest.addresses

local function load(...)
  return manifest.load(table.concat { EDGE, ... })
end

-- The service that the gateway's only route goes to.
local function target(...)
  local model, errors = load(...)
  assert.equal("", texts(errors))
  local backend = model.routes[1].backends[1]
  return model.services[backend.service], backend
end

local function refused(...) return texts(select(2, load(...))) end

local PORTS = "ports: [{number: 80, name: http, protocol: HTTP}]"

describe("ServiceEntries", function()
  it("give a host with endpoints of fixed addresses, their labels and weights", function()
    local service, backend = target(route_to "{host: api.test, subset: v2}", entry("{hosts: [api.test], " .. PORTS
      .. ", resolution: STATIC, endpoints: [{address: 127.0.0.2, labels: {version: v1}, weight: 3}, "
      .. "{address: 127.0.0.3, labels: {version: v2}, ports: {http: 8080}}, {address: '::1'}]}"),
      object("DestinationRule", "api", "{host: api.test, subsets: [{name: v2, labels: {version: v2}}]}"))
    assert.equal("127.0.0.2:80 127.0.0.3:8080 [::1]:80", addresses(service))
    assert.equal(3, service.endpoints[1].weight)
    assert.equal("v2", backend.subset)
    assert.equal("api.test", service.metadata.service)
  end)

  it("are looked up by name, their own when they say none", function()
    local ports = "ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8000}]"
    assert.equal("api.test:8000", addresses((target(route_to "{host: api.test}",
      entry("{hosts: [api.test], " .. ports .. ", resolution: DNS}")))))
    assert.equal("a.test:8000 b.test:9", addresses((target(route_to "{host: api.test}",
      entry("{hosts: [api.test], " .. ports .. ", resolution: DNS, "
        .. "endpoints: [{address: a.test}, {address: b.test, ports: {http: 9}}]}")))))
    assert.equal("a.test:8000", addresses((target(route_to "{host: api.test}",
      entry("{hosts: [api.test], " .. ports .. ", resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.test}]}")))))
  end)

  it("select WorkloadEntries and Pods", function()
    local service = target(route_to "{host: api.test}",
      entry("{hosts: [api.test], location: MESH_INTERNAL, ports: [{number: 80, name: http, targetPort: 81}], "
        .. "resolution: STATIC, workloadSelector: {labels: {app: api}}}"),
      object("WorkloadEntry", "one", "{address: 127.0.0.5, labels: {app: api, version: v1}, weight: 2}"),
      object("WorkloadEntry", "two", "{address: 127.0.0.6, labels: {app: api}, ports: {http: 7}}"),
      object("WorkloadEntry", "other", "{address: 127.0.0.7, labels: {app: other}}"),
      object("WorkloadEntry", "far", "{address: 127.0.0.8, labels: {app: api}}", "elsewhere"),
      "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: api}}\nstatus: {podIP: 127.0.0.9}\n")
    assert.equal("127.0.0.9:81 127.0.0.5:81 127.0.0.6:7", addresses(service))
    assert.same({ "v1", 2 }, { service.endpoints[2].labels.version, service.endpoints[2].weight })
  end)

  it("speak TLS as a DestinationRule says, with their names", function()
    local spec = "{hosts: [api.test], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS, "
      .. "subjectAltNames: [other.test]}"
    local rule = object("DestinationRule", "api", "{host: '*.test', trafficPolicy: {tls: {mode: SIMPLE}}}")
    assert.same({ sni = "api.test", verify = { "other.test" } }, (target(route_to "{host: api.test}", entry(spec),
      rule)).tls)
    local _, _, warnings = load(route_to "{host: api.test}", entry(spec))
    assert.matches("speaks TLS, and is called in clear text", texts(warnings))
  end)

  it("count in the namespaces that they are exported to, the own one's first", function()
    local function spec(address, more)
      return ("{hosts: [api.test], %s, resolution: STATIC, endpoints: [{address: %s}]%s}"):format(PORTS, address,
        more or "")
    end
    local route = route_to("{host: api.test}", "mine")
    assert.equal("127.0.0.3:80", addresses((target(route, entry(spec "127.0.0.2", "a"),
      entry(spec "127.0.0.3", "b", "mine")))))
    assert.equal("127.0.0.3:80", addresses((target(route, entry(spec("127.0.0.2", ", exportTo: ['.']"), "a"),
      entry(spec("127.0.0.3", ", exportTo: [mine]"), "b", "third")))))
    assert.matches("there is no Service api.test", refused(route, entry(spec("127.0.0.2", ", exportTo: ['.']"))))
  end)

  it("are reached by an HTTPRoute's Hostname", function()
    local model, errors = load(entry("{hosts: [api.test], " .. PORTS .. ", resolution: DNS}"), [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: istio, listeners: [{name: web, port: 8081, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec:
  parentRefs: [{name: gw}]
  rules: [{backendRefs: [{group: networking.istio.io, kind: Hostname, name: api.test, port: 80}]}]
]])
    assert.equal("", texts(errors))
    assert.equal("api.test:80", model.services[model.routes[1].backends[1].service].endpoints[1].address)
  end)

  it("may name a Unix socket", function()
    assert.equal("unix:/run/api.sock", addresses((target(route_to "{host: api.test}", entry("{hosts: [api.test], "
      .. "ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, "
      .. "endpoints: [{address: 'unix:///run/api.sock'}]}")))))
  end)

  it("refuse what cannot stand, and say who cannot be called", function()
    local function said(spec) return refused(route_to "{host: api.test}", entry(spec)) end
    local _, _, warnings = load(route_to "{host: api.test}", entry("{hosts: [api.test], " .. PORTS
      .. ", resolution: STATIC}"))
    assert.matches("spec.endpoints: nobody is behind it: resolution STATIC", manifest.messages(warnings), 1, true)
    assert.matches("spec.hosts[0]: resolution DNS without endpoints looks hosts up",
      said("{hosts: ['*.test'], " .. PORTS .. ", resolution: DNS}"), 1, true)
    assert.matches('vm: spec.address: expected an IP address or a host name, got "api.test:80"',
      refused(object("WorkloadEntry", "vm", "{address: 'api.test:80'}")), 1, true)
    assert.matches("expected an IP address with resolution STATIC", said("{hosts: [api.test], " .. PORTS
      .. ", resolution: STATIC, endpoints: [{address: a.test}]}"))
    for endpoint, why in pairs {
      ["{address: 'unix://tmp/s'}"] = "expected the whole path of a Unix socket",
      ["{address: 'unix:///tmp/'}"] = "expected the whole path of a Unix socket",
      ["{address: 'unix://@s'}"] = "is an abstract Unix socket",
      ["{address: 'unix:/tmp/s'}"] = "expected an IP address with resolution STATIC",
      ["{address: 'unix:///tmp/s', ports: {http: 80}}"] = "a Unix socket has no ports",
    } do
      assert.matches(why, said("{hosts: [api.test], ports: [{number: 80, name: http, protocol: HTTP}], "
        .. "resolution: STATIC, endpoints: [" .. endpoint .. "]}"), 1, true)
    end
    assert.matches("expected one port, as an endpoint is a Unix socket", said("{hosts: [api.test], ports: ["
      .. "{number: 80, name: http, protocol: HTTP}, {number: 81, name: more, protocol: HTTP}], "
      .. "resolution: STATIC, endpoints: [{address: 'unix:///tmp/s'}]}"))
    assert.matches("expected an IP address or a host name", said("{hosts: [api.test], " .. PORTS
      .. ", resolution: DNS, endpoints: [{address: 'unix:///tmp/s'}]}"))
    assert.matches("expected one of endpoints and workloadSelector", said("{hosts: [api.test], " .. PORTS
      .. ", resolution: STATIC, endpoints: [{address: 127.0.0.2}], workloadSelector: {labels: {a: b}}}"))
    for more, why in pairs {
      [", workloadSelector: {labels: {a: '*'}}"] = "spec.workloadSelector.labels.a: expected a label without '*'",
      [", resolution: DNS, addresses: [10.0.0.1, 10.0.0.0/8]"] = "spec.addresses[1]: a block stands with",
      [", exportTo: ['*', a]"] = 'spec.exportTo[0]: "*" stands alone',
      [", resolution: STATIC, endpoints: [{address: 127.0.0.1, ports: {web: 80}}]"] =
        "spec.endpoints[0].ports.web: is no name of one of the ports",
      [", addresses: [10.0.0.0/33]"] = "spec.addresses[0]: expected an IP address or a block",
      [", resolution: DNS_ROUND_ROBIN, endpoints: [{address: a.test}, {address: b.test}]"] =
        "spec.endpoints: expected at most one with resolution DNS_ROUND_ROBIN",
    } do
      assert.matches(why, said("{hosts: [api.test], " .. PORTS .. more .. "}"), 1, true)
    end
    assert.matches("destination.host: api.test cannot be called: its resolution is NONE",
      said("{hosts: [api.test], " .. PORTS .. "}"))
    assert.matches("its resolution is DYNAMIC_DNS", said("{hosts: [api.test], " .. PORTS
      .. ", resolution: DYNAMIC_DNS}"))
    assert.matches("api.test has no port 8080 that speaks HTTP; it has none",
      said("{hosts: [api.test], ports: [{number: 3306, name: db, protocol: MYSQL}], resolution: DNS}"))
    assert.matches("a host with '*' cannot be looked up", refused(route_to "{host: '*.test'}",
      entry("{hosts: ['*.test'], " .. PORTS .. ", resolution: DNS}")), 1, true)
  end)

  it("name ports of other protocols and addresses that nothing listens on", function()
    local _, errors, warnings = load(route_to "{host: api.test}", entry("{hosts: [api.test], addresses: [10.0.0.1], "
      .. "ports: [{number: 80, name: http}, {number: 27017, name: m, protocol: MONGO}], resolution: DNS}"))
    assert.equal("", texts(errors))
    assert.matches("spec.ports[1]: MONGO is not served: only HTTP is", texts(warnings), 1, true)
    assert.matches("spec.addresses[0]: has no effect", texts(warnings), 1, true)
  end)
end)

local SERVICE = [[
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: web}]}
---
]]

describe("Endpoints, Pods and WorkloadEntries", function()
  local pod = [[
apiVersion: v1
kind: Pod
metadata: {name: %s, labels: {app: shop, version: %s}}
spec: {serviceAccountName: shop, containers: [{name: c, ports: [{name: web, containerPort: 8080}]}]}
status: {podIP: %s%s}
---
]]
  local route = route_to "{host: shop}"

  it("of the Service's name come before Pods, with the labels of the pods behind them", function()
    local service = target(SERVICE, route, pod:format("p1", "v1", "127.0.0.2", ""),
      pod:format("p2", "v2", "127.0.0.3", ""), [[
apiVersion: v1
kind: Endpoints
metadata: {name: shop}
subsets:
- addresses: [{ip: 127.0.0.3}, {ip: 127.0.0.4, targetRef: {kind: Pod, name: p1}}]
  notReadyAddresses: [{ip: 127.0.0.5}]
  ports: [{name: http, port: 8081}]
]])
    assert.equal("127.0.0.3:8081 127.0.0.4:8081", addresses(service))
    assert.same({ "v2", "v1" }, { service.endpoints[1].labels.version, service.endpoints[2].labels.version })
  end)

  it("are the Pods that it selects, by the names of their ports, when they are ready", function()
    local service = target(SERVICE, route, pod:format("p1", "v1", "127.0.0.2", ""),
      pod:format("p2", "v1", "127.0.0.3", ", phase: Failed"),
      pod:format("p3", "v1", "127.0.0.4", ", conditions: [{type: Ready, status: 'False'}]"),
      object("WorkloadEntry", "vm", "{address: 127.0.0.6, labels: {app: shop}, ports: {http: 9}}"))
    assert.equal("127.0.0.2:8080 127.0.0.6:9", addresses(service))
  end)

  it("belong to the Deployment that made them", function()
    local service = target(SERVICE, route, [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}}}
---
]], pod:format("shop-5d8f-x1", "v7", "127.0.0.2", ""))
    assert.equal("127.0.0.2:8080", addresses(service))
    assert.equal("v7", service.endpoints[1].labels.version)
  end)

  it("are guarded by policies that select labels which the Deployment does not know", function()
    local service, backend = target(SERVICE, route, [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {selector: {matchLabels: {app: shop}}, template: {metadata: {labels: {app: shop}}}}
---
]], pod:format("shop-5d8f-x1", "v7", "127.0.0.2", ""), [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: guard}
spec: {selector: {matchLabels: {version: v7}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
]])
    assert.equal("127.0.0.2:8080", addresses(service))
    assert.equal("rbac", backend.policies[1].name)
  end)

  it("that are not ready count where the Service says so", function()
    local service = target(SERVICE:gsub("spec: {", "spec: {publishNotReadyAddresses: true, "), route,
      pod:format("p3", "v1", "127.0.0.4", ", conditions: [{type: Ready, status: 'False'}]"))
    assert.equal("127.0.0.4:8080", addresses(service))
  end)
end)

describe("Services", function()
  local route = route_to "{host: shop}"

  local function service(spec)
    return "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{name: http, port: 80}], " .. spec
      .. "}\n---\n"
  end

  it("may be a host outside", function()
    assert.equal("api.test:80", addresses((target(service "type: ExternalName, externalName: API.test.", route))))
    local made = target(service "type: ExternalName, externalName: api.test", route,
      object("DestinationRule", "shop", "{host: shop, trafficPolicy: {tls: {mode: SIMPLE}}}"))
    assert.equal("api.test", made.tls.sni)
    assert.matches("spec.externalName: expected a host name", refused(service "type: ExternalName", route), 1, true)
  end)

  it("may keep clients at their endpoints", function()
    assert.same({ kind = "consistent_hash", source_address = true },
      (target(service "sessionAffinity: ClientIP", route)).balance)
    assert.equal("least_request", (target(service "sessionAffinity: None", route)).balance.kind)
    assert.equal("random", (target(service "sessionAffinity: ClientIP", route, object("DestinationRule", "shop",
      "{host: shop, trafficPolicy: {loadBalancer: {simple: RANDOM}}}"))).balance.kind)
  end)
end)
