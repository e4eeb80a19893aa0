local manifest = require "spec.support.manifest"

local PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"

-- A waypoint serves `shop`, whose v1 and v2 run as Deployments; a gateway calls it and a service without an address.
local BASE = [[
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {clusterIP: 127.0.10.1, selector: {app: shop}, ports: [{name: http, port: 80}, {name: http-admin, port: 81}]}
---
apiVersion: v1
kind: Service
metadata: {name: inner, namespace: default}
spec: {clusterIP: None, selector: {app: inner}, ports: [{name: http, port: 80, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-1, namespace: default, labels: {app: shop, version: v1, zone: a}}
status: {podIP: 127.0.11.1}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-2, namespace: default, labels: {app: shop, version: v2, zone: b}}
status: {podIP: 127.0.11.2, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: shop-3, namespace: default, labels: {app: shop, version: v2, zone: b}}
status: {podIP: 127.0.11.3, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: inner-1, namespace: default, labels: {app: inner, version: v1}}
spec: {containers: [{name: a, ports: [{name: web, containerPort: 8090}]}]}
status: {podIP: 127.0.11.9}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: default, annotations: {}}
spec: {gatewayClassName: istio-mesh, listeners: []}
---
apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: edge, labels: {istio: edge, zone: b}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: default}
spec: {selector: {istio: edge}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
]]

local function virtual_service(name, gateway, host, destination)
  return ([[
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: default}
spec: {hosts: [%s], gateways: [%s], http: [{route: [{destination: %s}]}]}
---
]]):format(name, host, gateway, destination)
end

local IN_MESH = virtual_service("mesh", "mesh", "shop", "{host: shop, subset: v2, port: {number: 80}}")

local function rule(spec, name, namespace)
  return (
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: %s, namespace: %s}\nspec: %s\n---\n")
    :format(name or "shop", namespace or "default", spec)
end

local SUBSETS = "subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"

local texts, addresses = manifest.messages, manifest.addresses

local function load(...)
  return manifest.load(table.concat { BASE, ... })
end

local function loaded(...)
  local model, errors, warnings = load(...)
  assert.equal("", texts(errors))
  return model.services, texts(warnings), model
end

local SHOP = "shop.default.svc.cluster.local:80"

describe("DestinationRules", function()
  it("are not needed: least requests, ten seconds to connect, pods that are ready", function()
    local shop = loaded()[SHOP]
    assert.equal("least_request", shop.balance.kind)
    assert.equal(10000, shop.pool.connect_timeout)
    assert.is_nil(shop.circuit_breaker)
    assert.is_nil(shop.outlier_detection)
    assert.equal("127.0.11.1:80 127.0.11.2:80", addresses(shop))
  end)

  it("say how connections are made and what may be in use", function()
    local shop = loaded(rule([[{host: shop, trafficPolicy: {connectionPool: {
      tcp: {maxConnections: 7, connectTimeout: 30ms, idleTimeout: 5s, maxConnectionDuration: 1m,
        tcpKeepalive: {time: 7200s, interval: 75s}},
      http: {http1MaxPendingRequests: 3, http2MaxRequests: 9, maxRetries: 2, maxRequestsPerConnection: 1}}}}]]))[SHOP]
    assert.same({ 30, 5000, 60000, 1 }, { shop.pool.connect_timeout, shop.pool.idle_timeout, shop.pool.max_age,
      shop.pool.max_requests })
    assert.same({ idle = 7200000, interval = 75000, probes = 9 }, shop.pool.keepalive)
    local limits = shop.circuit_breaker
    assert.same({ 7, 3, 9, 2 }, { limits.max_connections, limits.max_pending, limits.max_requests, limits.max_retries })
  end)

  it("take 0 for no limit, and a budget in place of a number of retries", function()
    assert.is_nil(loaded(rule "{host: shop, trafficPolicy: {connectionPool: {http: {http2MaxRequests: 0}}}}")[SHOP]
      .circuit_breaker)
    local limits = loaded(rule "{host: shop, trafficPolicy: {retryBudget: {minRetryConcurrency: 5}}}")[SHOP]
      .circuit_breaker
    assert.same({ 20, 5, 0 }, { limits.retry_budget_percent, limits.retry_budget_min, limits.max_retries })
  end)

  it("say that connections begin with a PROXY header, whatever the port's settings are", function()
    assert.is_nil(loaded()[SHOP].proxy_protocol)
    assert.equal(1, loaded(rule "{host: shop, trafficPolicy: {proxyProtocol: {}}}")[SHOP].proxy_protocol)
    assert.equal(2, loaded(rule([[{host: shop, trafficPolicy: {proxyProtocol: {version: V2},
      portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]}}]]))[SHOP].proxy_protocol)
    local services = loaded(IN_MESH, rule([[{host: shop, trafficPolicy: {proxyProtocol: {version: V2}}, subsets: [
      {name: v2, labels: {version: v2}, trafficPolicy: {proxyProtocol: {version: V1}}}]}]]))
    assert.equal(1, services[SHOP .. "|v2"].proxy_protocol)
  end)

  it("say whom to leave out", function()
    local shop = loaded(rule [[{host: shop, trafficPolicy: {outlierDetection: {consecutiveGatewayErrors: 3,
      consecutive5xxErrors: 0, interval: 1s, baseEjectionTime: 3m,
      maxEjectionPercent: 100, minHealthPercent: 40}}}]])[SHOP]
    local out = shop.outlier_detection
    assert.same({ 0, 3, 1000, 180000, 100, 40 }, { out.consecutive_5xx, out.consecutive_gateway_errors, out.interval,
      out.base_ejection_time, out.max_ejection_percent, out.min_health_percent })
    assert.equal(10, loaded(rule "{host: shop, trafficPolicy: {outlierDetection: {}}}")[SHOP].outlier_detection
      .max_ejection_percent)
  end)

  it("say how an endpoint is chosen", function()
    local function balance(text)
      return loaded(rule(("{host: shop, trafficPolicy: {loadBalancer: {%s}}}"):format(text)))[SHOP].balance
    end
    for name, kind in pairs { LEAST_CONN = "least_request", ROUND_ROBIN = "round_robin", RANDOM = "random",
      UNSPECIFIED = "least_request" } do
      assert.equal(kind, balance("simple: " .. name).kind)
    end
    assert.same({ kind = "consistent_hash", header = "x-user", ring_size = 1024 },
      balance "consistentHash: {httpHeaderName: x-user}")
    assert.same({ kind = "consistent_hash", source_address = true, ring_size = 4096 },
      balance "consistentHash: {useSourceIp: true, ringHash: {minimumRingSize: 4096}}")
    assert.same({ kind = "consistent_hash", query = "q", algorithm = "maglev", table_size = 251 },
      balance "consistentHash: {httpQueryParameterName: q, maglev: {tableSize: 251}}")
    assert.same({ kind = "consistent_hash", cookie = "seat", cookie_ttl = 0, cookie_path = "/a", ring_size = 1024,
      cookie_attributes = { "SameSite=Lax", "Secure" } }, balance [[consistentHash: {httpCookie: {name: seat, ttl: 0s,
        path: /a, attributes: [{name: SameSite, value: Lax}, {name: Secure}]}}]])
    assert.same({ duration = 60000, minimum_percent = 10, aggression = 1 },
      balance("simple: ROUND_ROBIN, warmup: {duration: 60s}").warmup)
  end)

  it("leave what a subset's own blocks do not say, and not what a port's do not", function()
    local services = loaded(virtual_service("mesh", "mesh", "shop", "{host: shop, subset: v2}"),
      rule([[{host: shop, trafficPolicy: {
        connectionPool: {http: {http2MaxRequests: 9}}, outlierDetection: {},
        portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]},
      subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {
        connectionPool: {tcp: {maxConnections: 1}}, loadBalancer: {simple: ROUND_ROBIN}}}]}]]))
    local v2 = services[SHOP .. "|v2"]
    assert.equal("127.0.11.2:80", addresses(v2))
    assert.equal("round_robin", v2.balance.kind)
    assert.truthy(v2.outlier_detection)
    assert.same({ 1, 0 }, { v2.circuit_breaker.max_connections, v2.circuit_breaker.max_requests })
    local admin = services["shop.default.svc.cluster.local:81|v2"]
    assert.equal("round_robin", admin.balance.kind)
    assert.is_nil(admin.outlier_detection)
    assert.equal(1, admin.circuit_breaker.max_connections)
  end)

  it("let a subset's own port settings stand for all of it", function()
    local v2 = loaded(IN_MESH, rule([[{host: shop, trafficPolicy: {outlierDetection: {}},
      subsets: [{name: v2, labels: {version: v2}, trafficPolicy: {loadBalancer: {simple: RANDOM},
        portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: {maxConnections: 4}}}]}}]}]]))[SHOP .. "|v2"]
    assert.same({ "least_request", 4 }, { v2.balance.kind, v2.circuit_breaker.max_connections })
    assert.is_nil(v2.outlier_detection)
  end)

  it("keep subsets without policies in one service", function()
    local _, _, model = loaded(IN_MESH, rule("{host: shop, " .. SUBSETS .. "}"))
    local backend
    for _, route in ipairs(model.routes) do
      if route.listeners[1] == "mesh shop.default.svc.cluster.local:80" then backend = backend or route.backends[1] end
    end
    assert.same({ SHOP, "v2" }, { backend.service, backend.subset })
  end)

  it("of one host and namespace count together, the first for what two say", function()
    local services, warnings = loaded(IN_MESH, rule("{host: shop, " .. SUBSETS .. "}", "a"),
      rule("{host: shop.default.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}, "
        .. SUBSETS .. "}", "b"),
      rule("{host: shop, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}", "c"))
    assert.equal("random", services[SHOP .. "|v2"].balance.kind)
    assert.matches("subset v1 of shop.default.svc.cluster.local is there twice", warnings, 1, true)
  end)

  it("of the service's namespace go before the root's, of a whole host before '*'", function()
    local function kind(...) return loaded(...)[SHOP].balance.kind end
    local function simple(host, name, namespace, what, more)
      return rule(("{host: '%s', %s trafficPolicy: {loadBalancer: {simple: %s}}}"):format(host, more or "", what), name,
        namespace)
    end
    local full = "shop.default.svc.cluster.local"
    assert.equal("random", kind(simple(full, "a", "istio-system", "RANDOM")))
    assert.equal("round_robin", kind(simple(full, "a", "istio-system", "RANDOM"),
      simple("*.cluster.local", "b", "default", "ROUND_ROBIN")))
    assert.equal("random", kind(simple("*.cluster.local", "b", "default", "ROUND_ROBIN"),
      simple("*.default.svc.cluster.local", "c", "default", "RANDOM")))
    local services, warnings = loaded(simple(full, "a", "other", "RANDOM"))
    assert.equal("least_request", services[SHOP].balance.kind)
    assert.matches("counts for nothing", warnings)
    assert.equal("least_request", kind(simple(full, "a", "istio-system", "RANDOM", "exportTo: ['.'],")))
    assert.equal("random", kind(simple(full, "a", "istio-system", "RANDOM", "exportTo: [default],")))
  end)

  it("of a gateway's namespace count for its own calls, and by its labels", function()
    local edge = virtual_service("edge", "edge", "'*'", "{host: inner}")
    local name = "inner.default.svc.cluster.local:80 from edge/edge"
    local host = "inner.default.svc.cluster.local"
    local services = loaded(edge, rule("{host: inner, trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "a"),
      rule("{host: " .. host .. ", trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}", "b", "edge"))
    assert.equal("round_robin", services[name].balance.kind)
    assert.equal("127.0.11.9:8090", addresses(services[name]))
    services = loaded(edge, rule("{host: inner, trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "a"),
      rule("{host: inner, workloadSelector: {matchLabels: {istio: edge}}, "
        .. "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}",
        "b"))
    assert.equal("round_robin", services[name].balance.kind)
  end)

  it("of the root namespace count for its gateways behind a service's own, unless they are for these alone", function()
    local edge = "apiVersion: v1\nkind: Pod\nmetadata: {name: root, namespace: istio-system, labels: {istio: root}}\n"
      .. "---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: root, namespace: default}\n"
      .. "spec: {selector: {istio: root}, servers: [{port: {number: 8081, name: http, protocol: HTTP}, "
      .. "hosts: ['*']}]}\n---\n"
      .. virtual_service("root", "root", "'*'", "{host: inner}")
    local host = "inner.default.svc.cluster.local"
    local function kind(more)
      local services = loaded(edge, rule("{host: inner, trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "a"),
        rule("{host: " .. host .. ", trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}" .. more .. "}", "b",
          "istio-system"))
      for name, service in pairs(services) do
        if name:find("^inner.* from istio%-system/") then return service.balance.kind end
      end
    end
    assert.equal("random", kind "")
    assert.equal("round_robin", kind ", exportTo: ['.']")
  end)

  it("give subsets to a gateway", function()
    local edge = virtual_service("edge", "edge", "'*'", "{host: shop, port: {number: 80}, subset: v1}")
    local services = loaded(edge, rule("{host: shop, trafficPolicy: {outlierDetection: {}}, " .. SUBSETS .. "}"))
    assert.equal("127.0.11.1:80", addresses(services[SHOP .. " from edge/edge|v1"]))
  end)

  it("give subsets to a gateway through the service's listener, where policies guard it", function()
    local edge = virtual_service("edge", "edge", "'*'", "{host: shop, port: {number: 80}, subset: v1}")
    local _, _, model = loaded(edge, rule("{host: shop, " .. SUBSETS .. "}"), [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: guard, namespace: default}
spec: {selector: {matchLabels: {app: shop}}, rules: [{}]}
]])
    local at_edge, at_shop
    for _, route in ipairs(model.routes) do
      if route.listeners[1] == "ingress 0.0.0.0:8080" then at_edge = at_edge or route end
      if route.listeners[1] == "mesh shop.default.svc.cluster.local:80" then at_shop = at_shop or route end
    end
    local backend = at_edge.backends[1]
    assert.equal(SHOP .. " as nobody", backend.service)
    assert.equal("v1", backend.policies[1].conf.request.set["x-moongate-subset"])
    assert.equal("v1", at_shop.matches[1].headers[1].exact)
    assert.same({ SHOP, "v1" }, { at_shop.backends[1].service, at_shop.backends[1].subset })
    local names = {}
    for i, use in ipairs(at_shop.policies) do names[i] = use.name end
    assert.same({ "metrics", "rbac", "headers" }, { "metrics", names[#names - 1], names[#names] })
  end)

  it("rank endpoints by the labels that they share with the caller", function()
    local edge = virtual_service("edge", "edge", "'*'", "{host: shop, port: {number: 80}, subset: all}")
    local function ranks(more)
      local list = {}
      local services = loaded(edge, rule([[{host: shop, subsets: [{name: all}], trafficPolicy: {]] .. more
        .. [[loadBalancer: {localityLbSetting: {failoverPriority: [zone]}}}}]]))
      local found = services[SHOP .. " from edge/edge|all"]
      for i, endpoint in ipairs(found.endpoints) do list[i] = endpoint.priority or false end
      return list
    end
    assert.same({ 1, 0 }, ranks "outlierDetection: {}, ")
    assert.same({ false, false }, ranks "")
  end)

  describe("with tls", function()
    local folder

    setup(function()
      folder = os.tmpname()
      os.remove(folder)
      os.execute("mkdir " .. folder)
      for _, name in ipairs { "ca", "cert", "key" } do
        local file = assert(io.open(folder .. "/" .. name .. ".pem", "w"))
        file:write(PEM, name)
        file:close()
      end
    end)

    teardown(function() os.execute("rm -r " .. folder) end)

    local function tls(text, ...)
      text = text:gsub("%$", folder)
      return loaded(rule(("{host: shop, trafficPolicy: {tls: {%s}}}"):format(text)), ...)[SHOP].tls
    end

    local function refused(text, ...)
      text = text:gsub("%$", folder)
      return texts(select(2, load(rule(("{host: shop, trafficPolicy: {tls: {%s}}}"):format(text)), ...)))
    end

    it("speak clear text: DISABLE, and nothing said", function()
      assert.is_nil(tls "mode: DISABLE")
      assert.is_nil(tls "sni: x.test")
    end)

    it("speak TLS: SIMPLE", function()
      local made = tls "mode: SIMPLE"
      assert.same({ sni = "shop.default.svc.cluster.local" }, made)
      made = tls "mode: SIMPLE, caCertificates: $/ca.pem, sni: x.test, subjectAltNames: [a.test, b.test]"
      assert.same({ ca = PEM .. "ca", sni = "x.test", verify = { "a.test", "b.test" } }, made)
      assert.is_true(tls("mode: SIMPLE, insecureSkipVerify: true").insecure)
    end)

    it("show a certificate: MUTUAL, by files or a Secret", function()
      local made = tls "mode: MUTUAL, clientCertificate: $/cert.pem, privateKey: $/key.pem"
      assert.same({ PEM .. "cert", PEM .. "key" }, { made.cert, made.key })
      made = tls("mode: MUTUAL, credentialName: pair", [[
apiVersion: v1
kind: Secret
metadata: {name: pair, namespace: default}
stringData: {tls.crt: CERT, tls.key: KEY, ca.crt: CA}
]])
      assert.same({ "CERT", "KEY", "CA" }, { made.cert, made.key, made.ca })
      made = tls("mode: SIMPLE, credentialName: 'configmap://trust'", [[
apiVersion: v1
kind: ConfigMap
metadata: {name: trust, namespace: default}
data: {ca.crt: CA}
]])
      assert.equal("CA", made.ca)
    end)

    it("refuse what does not stand together, or is not there", function()
      assert.matches("MUTUAL needs clientCertificate and privateKey", refused "mode: MUTUAL")
      assert.matches("clientCertificate: stands with MUTUAL only",
        refused "mode: SIMPLE, clientCertificate: $/cert.pem")
      assert.matches("caCertificates: cannot be read: No such file", refused "mode: SIMPLE, caCertificates: $/no.pem")
      assert.matches("caCertificates: stands without credentialName",
        refused "mode: SIMPLE, caCertificates: $/ca.pem, credentialName: x")
      assert.matches("there is no Secret x in the namespace default", refused "mode: SIMPLE, credentialName: x")
      assert.matches("insecureSkipVerify: stands without subjectAltNames",
        refused "mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a.test]")
      assert.matches("caCrl: is not supported yet", refused "mode: SIMPLE, caCrl: $/crl.pem")
      assert.matches("ISTIO_MUTUAL needs an identity", texts(select(2, load(virtual_service("edge", "edge", "'*'",
        "{host: inner}"), rule "{host: inner, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}"))))
      local _, warnings = loaded(rule "{host: shop, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}")
      assert.matches("tls.mode: has no effect: shop.default.svc.cluster.local has no identity", warnings, 1, true)
    end)

    it("take the mesh's identities: ISTIO_MUTUAL ends at the service's listener, or goes on as the gateway", function()
      local function identity(namespace)
        return ("apiVersion: v1\nkind: Secret\nmetadata: {name: istio.default, namespace: %s}\n"
          .. "type: istio.io/key-and-cert\n"
          .. "stringData: {cert-chain.pem: CERT, key.pem: KEY, root-cert.pem: ROOT}\n---\n")
          :format(namespace)
      end
      assert.is_nil(tls("mode: ISTIO_MUTUAL", identity "default"))
      local services = loaded(virtual_service("edge", "edge", "'*'", "{host: inner}"), identity "edge",
        rule "{host: inner, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}")
      assert.same({ ca = "ROOT", cert = "CERT", key = "KEY", sni = "inner.default.svc.cluster.local",
        verify = { "spiffe://cluster.local/ns/default/sa/default" } },
        services["inner.default.svc.cluster.local:80 from edge/edge"].tls)
    end)

    it("let a gateway call the service's listener in clear text: DISABLE", function()
      local edge = virtual_service("edge", "edge", "'*'", "{host: shop, port: {number: 80}}")
      local secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: istio.default, namespace: default}\n"
        .. "type: istio.io/key-and-cert\nstringData: {cert-chain.pem: CERT, key.pem: KEY, root-cert.pem: ROOT}\n---\n"
      local services = loaded(edge, secret)
      assert.equal("ROOT", services[SHOP .. " as nobody"].tls.ca)
      services = loaded(edge, secret, rule "{host: shop, trafficPolicy: {tls: {mode: DISABLE}}}")
      assert.is_nil(services[SHOP .. " as nobody"].tls)
    end)
  end)

  it("refuse what cannot be honoured, by its field", function()
    local function refused(text) return texts(select(2, load(rule("{host: shop, " .. text .. "}")))) end
    assert.matches("loadBalancer.simple: PASSTHROUGH is not supported",
      refused "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}", 1, true)
    assert.matches("loadBalancer: expected one of simple and consistentHash",
      refused "trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}", 1, true)
    assert.matches("consistentHash: expected one of httpHeaderName",
      refused "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: a, useSourceIp: true}}}", 1, true)
    assert.matches("proxyProtocol.version: expected one of 'V1', 'V2'",
      refused "trafficPolicy: {proxyProtocol: {version: V3}}", 1, true)
    assert.matches("maglev.tableSize: expected a prime, got 100",
      refused "trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 100}}}}")
    assert.matches("'*' stands alone", refused("exportTo: ['*', default]"):gsub('"', "'"), 1, true)
    for more, why in pairs {
      ["exportTo: [default, '.']"] = "spec.exportTo[1]: . is there twice",
      ["exportTo: ['~']"] = "spec.exportTo[0]: expected",
      ["workloadSelector: {matchLabels: {a: b}}, exportTo: [other]"] = "spec.exportTo: expected '.' beside",
      ["subsets: [{name: a}, {name: a}]"] = "spec.subsets[1].name: subset a is there twice",
      ["trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: ''}}}"] = "httpHeaderName: expected a length",
      ["trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 5}}"] =
        "outlierDetection.consecutiveLocalOriginFailures: needs splitExternalLocalOriginErrors",
      ["subsets: [{name: a, labels: {v: ~}}]"] = "spec.subsets[0].labels.v: expected a value, found null",
    } do
      assert.matches(why, refused(more), 1, true)
    end
    assert.matches("connectTimeout: expected", refused "trafficPolicy: {connectionPool: {tcp: {connectTimeout: 0s}}}")
    assert.matches("spec.host: expected '*' alone", texts(select(2, load(rule "{host: 'a.*.test'}"))), 1, true)
    assert.matches("portLevelSettings[0]: 'port' is missing",
      refused "trafficPolicy: {portLevelSettings: [{loadBalancer: {simple: RANDOM}}]}", 1, true)
    assert.matches("loadBalancer.warmup: 'duration' is missing",
      refused "trafficPolicy: {loadBalancer: {warmup: {minimumPercent: 5}}}", 1, true)
    assert.matches("unknown key 'maxConnection'", refused "trafficPolicy: {connectionPool: {tcp: {maxConnection: 1}}}")
  end)

  it("name what has no effect", function()
    local _, warnings = loaded(rule [[{host: shop, trafficPolicy: {loadBalancer: {localityLbSetting: {
      distribute: [{from: a/*, to: {"a/*": 100}}]}}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}]])
    assert.matches("localityLbSetting.distribute: has no effect", warnings)
    assert.matches("h2UpgradePolicy: has no effect: upstreams are asked by HTTP/1.1", warnings)
  end)
end)
