--- The conditions of the Gateway API's objects, by the expectations of its conformance suite.
require "spec.support.init"
local json = require "moongate.json"
local manifests = require "moongate.config.manifests"
local manifest = require "spec.support.manifest"
local yaml = require "moongate.yaml"
local yaml_text = require "moongate.yaml_text"

local API = "apiVersion: gateway.networking.k8s.io/v1"
local PEM = "-----BEGIN %s-----\nMA==\n-----END %s-----\n"
local CERT, KEY = PEM:format("CERTIFICATE", "CERTIFICATE"), PEM:format("PRIVATE KEY", "PRIVATE KEY")

-- One object; its spec in flow style.
local function object(kind, name, spec, namespace, api, more)
  return ("%s\nkind: %s\nmetadata: {name: %s, namespace: %s%s}\n%s\n---\n"):format(api or API, kind, name,
    namespace or "infra", more or "", spec:find "^%w+:" and spec or "spec: " .. spec)
end

local BASE = API .. "\nkind: GatewayClass\nmetadata: {name: acc}\nspec: {controllerName: example.net/gateway}\n---\n"
  .. object("Service", "web", "{ports: [{port: 8080}]}", nil, "apiVersion: v1")
  .. object("Service", "far", "{ports: [{port: 8080}]}", "away", "apiVersion: v1")
  .. object("Service", "mail", "{ports: [{port: 25, name: tcp}, {port: 443, name: https}]}", nil, "apiVersion: v1")
  .. object("Secret", "pair", ("type: kubernetes.io/tls\nstringData: %s"):format(assert(json.encode {
    ["tls.crt"] = CERT, ["tls.key"] = KEY })), nil, "apiVersion: v1")
  .. object("Secret", "pair", ("type: kubernetes.io/tls\nstringData: %s"):format(assert(json.encode {
    ["tls.crt"] = CERT, ["tls.key"] = KEY })), "away", "apiVersion: v1")
  .. object("Secret", "broken", "type: kubernetes.io/tls\nstringData: {tls.crt: hello, tls.key: hello}", nil,
    "apiVersion: v1")
  .. object("ConfigMap", "ca", "data: " .. assert(json.encode { ["ca.crt"] = CERT }), nil, "apiVersion: v1")

local function gateway(name, listeners, more)
  return object("Gateway", name, ("{gatewayClassName: acc, listeners: [%s]%s}"):format(listeners, more or ""))
end

-- The items by "Kind name", and the errors.
local function status_of(text, options)
  local items, errors = manifest.in_file(BASE .. text, function(path) return manifests.status({ path }, options) end)
  local map = {}
  for _, item in ipairs(items) do map[item.kind .. " " .. item.metadata.name] = item end
  return map, errors
end

-- "Accepted Programmed=Invalid ...": each condition that holds by its type, each that does not with its reason.
local function told(conditions)
  local words = {}
  for i, one in ipairs(conditions) do
    local plain = one.type == "Conflicted" and one.status == "False" and one.reason == "NoConflicts"
      or one.status == "True" and one.reason == one.type
    words[i] = not plain and ("%s%s=%s"):format(one.status == "False" and "!" or "", one.type, one.reason) or nil
  end
  local list = {}
  for i = 1, #conditions do list[#list + 1] = words[i] end
  return table.concat(list, " ")
end

local function listener(map, key, name)
  for _, one in ipairs(map[key].status.listeners) do
    if one.name == name then return told(one.conditions), one.attachedRoutes, #one.supportedKinds end
  end
end

local HTTP = "{name: http, port: 80, protocol: HTTP}"

describe("the status of a Gateway", function()
  it("says what became of each listener", function()
    local function https(refs)
      return "{name: l, port: 443, protocol: HTTPS, tls: {certificateRefs: " .. refs .. "}}"
    end
    for _, row in ipairs {
      { HTTP, "", 2, "" },
      { "{name: l, port: 80, protocol: a.test/QUIC}",
        "!Accepted=UnsupportedProtocol !Programmed=Invalid", 0, "!Accepted=ListenersNotValid !Programmed=Invalid" },
      { "{name: l, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}, {kind: NoRoute}]}}",
        "!ResolvedRefs=InvalidRouteKinds", 1, "!ResolvedRefs=ListenersNotResolved" },
      { "{name: l, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute, group: a.test}]}}",
        "!Programmed=Invalid !ResolvedRefs=InvalidRouteKinds", 0,
        "!Programmed=Invalid !ResolvedRefs=ListenersNotResolved" },
      { https "[{name: pair}]", "", 2, "" },
      { https "[{name: gone}]", "!Programmed=Invalid !ResolvedRefs=InvalidCertificateRef", 2,
        "!Programmed=Invalid !ResolvedRefs=ListenersNotResolved" },
      { https "[{name: broken}]", "!Programmed=Invalid !ResolvedRefs=InvalidCertificateRef", 2,
        "!Programmed=Invalid !ResolvedRefs=ListenersNotResolved" },
      { https "[{name: pair, kind: ConfigMap}]", "!Programmed=Invalid !ResolvedRefs=InvalidCertificateRef", 2,
        "!Programmed=Invalid !ResolvedRefs=ListenersNotResolved" },
      { https "[{name: pair, namespace: away}]", "!Programmed=Invalid !ResolvedRefs=RefNotPermitted", 2,
        "!Programmed=Invalid !ResolvedRefs=ListenersNotResolved" },
      { https "[{name: pair}, {name: gone}]", "!ResolvedRefs=InvalidCertificateRef", 2,
        "!ResolvedRefs=ListenersNotResolved" },
    } do
      local map, errors = status_of(gateway("gw", row[1]))
      assert.same({}, errors)
      local said, _, kinds = listener(map, "Gateway gw", row[1]:match "name: (%w+)")
      assert.same({ row[2], row[3], row[4] }, { said, kinds, told(map["Gateway gw"].status.conditions) }, row[1])
    end
  end)

  it("is short for a waypoint", function()
    local map, errors = status_of(gateway("gw", HTTP) .. object("Gateway", "way", "{gatewayClassName: "
      .. "istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}"))
    assert.same({ {}, "", {} }, { errors, told(map["Gateway way"].status.conditions),
      map["Gateway way"].status.addresses })
  end)

  it("is accepted with what can be served beside what cannot", function()
    local map = status_of(gateway("gw", HTTP .. ", {name: tcp, port: 81, protocol: TCP}"))
    assert.equal("Accepted=ListenersNotValid", told(map["Gateway gw"].status.conditions))
    assert.same({ { type = "IPAddress", value = "0.0.0.0" } }, { map["Gateway gw"].status.addresses[1] })
  end)

  it("names what the Gateway as a whole cannot have", function()
    for more, expected in pairs {
      [", addresses: [{type: a.test/name, value: x}]"] = "!Accepted=UnsupportedAddress !Programmed=Invalid",
      [", infrastructure: {parametersRef: {group: a.test, kind: P, name: p}}"] =
        "!Accepted=InvalidParameters !Programmed=Invalid",
      [", infrastructure: {labels: {a: b}, parametersRef: {group: '', kind: ConfigMap, name: ca}}"] = "",
      [", tls: {backend: {clientCertificateRef: {name: pair}}}"] = "",
      [", tls: {backend: {clientCertificateRef: {name: broken}}}"] = "!ResolvedRefs=InvalidClientCertificateRef",
      [", tls: {backend: {clientCertificateRef: {name: pair, namespace: away}}}"] = "!ResolvedRefs=RefNotPermitted",
    } do
      local map, errors = status_of(gateway("gw", HTTP, more))
      assert.same({}, errors)
      assert.equal(expected, told(map["Gateway gw"].status.conditions), more)
    end
  end)

  it("says that an address is not this machine's", function()
    local more = ", addresses: [{value: 127.0.0.2}, {value: 192.0.2.1}]"
    local map, errors = status_of(gateway("gw", HTTP, more) .. gateway("second", HTTP, ", addresses: [{}]"),
      { is_here = function(ip) return ip ~= "192.0.2.1" end })
    assert.same({ {}, "!Programmed=AddressNotUsable", "", {} }, { errors, told(map["Gateway gw"].status.conditions),
      told(map["Gateway second"].status.conditions), map["Gateway gw"].status.addresses })
    assert.equal("!Programmed=Pending", (listener(map, "Gateway gw", "http")))
  end)

  it("says that an address is another Gateway's", function()
    local map, errors = status_of(gateway("gw", HTTP) .. gateway("second", HTTP) .. gateway("third", HTTP,
      ", addresses: [{value: 127.0.0.2}]"))
    assert.matches("0.0.0.0:80 is taken already", errors[1].message)
    assert.same({ "", "!Programmed=AddressNotUsable", "" }, { told(map["Gateway gw"].status.conditions),
      told(map["Gateway second"].status.conditions), told(map["Gateway third"].status.conditions) })
    assert.same({ "!Programmed=Pending", {} }, { listener(map, "Gateway second", "http"),
      map["Gateway second"].status.addresses })
  end)

  -- The example of ListenerConditionOverlappingTLSConfig.
  it("says which HTTPS listeners of a port share hosts", function()
    local function one(name, host, port, protocol)
      return ("{name: %s, hostname: '%s', port: %d, protocol: %s%s}"):format(name, host, port or 443,
        protocol or "HTTPS", protocol and "" or ", tls: {certificateRefs: [{name: pair}]}")
    end
    local map, errors = status_of(gateway("gw", table.concat({ one("a", "foo.example.com"), one("b", "foo.example.org"),
      one("c", "*.example.com"), one("d", "*.example.com", 8443), one("e", "foo.example.com", 80, "HTTP"),
      one("f", "*.example.com", 80, "HTTP") }, ", ")))
    assert.same({}, errors)
    local overlaps = "OverlappingTLSConfig=OverlappingHostnames"
    for name, expected in pairs { a = overlaps, b = "", c = overlaps, d = "", e = "", f = "" } do
      assert.equal(expected, (listener(map, "Gateway gw", name)), name)
    end
    assert.equal("", told(map["Gateway gw"].status.conditions))
  end)

  it("serves no HTTPS listener whose authorities for clients cannot be used", function()
    local function on(validation)
      local map, errors = status_of(gateway("gw", HTTP
        .. ", {name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}",
        ", tls: {frontend: {default: {validation: {" .. validation .. "}}}}"))
      assert.same({}, errors)
      assert.equal("", (listener(map, "Gateway gw", "http")))
      return (listener(map, "Gateway gw", "https")), told(map["Gateway gw"].status.conditions)
    end
    assert.equal("", (on "caCertificateRefs: [{name: ca}]"))
    for refs, reason in pairs { ["[{name: gone}]"] = "InvalidCACertificateRef",
      ["[{name: ca, kind: Service}]"] = "InvalidCACertificateKind",
      ["[{name: ca, namespace: away}]"] = "RefNotPermitted" } do
      local said, whole = on("caCertificateRefs: " .. refs)
      assert.equal("!Accepted=NoValidCACertificate !Programmed=Invalid !ResolvedRefs=" .. reason, said)
      assert.equal("Accepted=ListenersNotValid !ResolvedRefs=ListenersNotResolved", whole)
    end
    local _, whole = on "caCertificateRefs: [{name: ca}], mode: AllowInsecureFallback"
    assert.equal("InsecureFrontendValidationMode=ConfigurationChanged", whole)
  end)

  it("counts what attaches, whether it is served or not", function()
    local function route(name, parent, more)
      return object("HTTPRoute", name, ("{parentRefs: [{name: gw, %s}], rules: [{backendRefs: [{name: web, "
        .. "port: 8080}]}]%s}"):format(parent, more or ""))
    end
    local map = status_of(gateway("gw", "{name: a, port: 80, protocol: HTTP, hostname: a.test}, "
      .. "{name: b, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}")
      .. route("both", "port: 443") .. route("all", "kind: Gateway", ", hostnames: [a.test]")
      .. route("none", "sectionName: a", ", hostnames: [b.test]"))
    assert.same({ "", 1, 2 }, { listener(map, "Gateway gw", "a") })
    assert.same({ "!Programmed=Invalid !ResolvedRefs=InvalidCertificateRef", 2, 2 },
      { listener(map, "Gateway gw", "b") })
    assert.equal("!Accepted=NoMatchingListenerHostname", told(map["HTTPRoute none"].status.parents[1].conditions))
  end)
end)

describe("the status of a ListenerSet", function()
  local function set(name, listeners, namespace)
    return object("ListenerSet", name, ("{parentRef: {name: gw, namespace: infra}, listeners: [%s]}"):format(listeners),
      namespace)
  end

  it("says whether the Gateway allows it", function()
    for allowed, expected in pairs { [""] = "!Accepted=NotAllowed !Programmed=NotAllowed",
      [", allowedListeners: {namespaces: {from: None}}"] = "!Accepted=NotAllowed !Programmed=NotAllowed",
      [", allowedListeners: {namespaces: {from: Same}}"] = "" } do
      local map = status_of(gateway("gw", HTTP, allowed) .. set("set", "{name: s, port: 81, protocol: HTTP}"))
      assert.same({ expected, expected == "" and 1 or 0 }, { told(map["ListenerSet set"].status.conditions),
        map["Gateway gw"].status.attachedListenerSets })
    end
  end)

  it("yields to the Gateway and to older sets", function()
    local host = "!Accepted=HostnameConflict !Programmed=HostnameConflict Conflicted=HostnameConflict"
    local protocol = host:gsub("Hostname", "Protocol")
    local map = status_of(gateway("gw", HTTP, ", allowedListeners: {namespaces: {from: Same}}")
      .. set("b", "{name: new, port: 81, protocol: HTTP}")
      .. set("a", "{name: same, port: 80, protocol: HTTP}, {name: tcp, port: 80, protocol: TCP}, "
        .. "{name: first, port: 81, protocol: HTTP}"))
    assert.same({ "", host, protocol, "", host }, { (listener(map, "Gateway gw", "http")),
      (listener(map, "ListenerSet a", "same")), (listener(map, "ListenerSet a", "tcp")),
      (listener(map, "ListenerSet a", "first")), (listener(map, "ListenerSet b", "new")) })
    assert.equal("Accepted=ListenersNotValid", told(map["ListenerSet a"].status.conditions))
    assert.equal("!Accepted=ListenersNotValid !Programmed=ListenersNotValid",
      told(map["ListenerSet b"].status.conditions))
    assert.equal(1, map["Gateway gw"].status.attachedListenerSets)
  end)
end)

describe("the status of a route", function()
  local function parent(spec, namespace)
    local map, errors = status_of(gateway("gw", HTTP) .. object("HTTPRoute", "r", spec, namespace))
    local parents = map["HTTPRoute r"].status.parents
    return told(parents[1].conditions), errors, parents
  end

  it("says of each parent whether it takes the route", function()
    for _, row in ipairs {
      { "{parentRefs: [{name: gw}]}", "" }, { "{parentRefs: [{name: gone}]}", "!Accepted=NoMatchingParent" },
      { "{parentRefs: [{name: gw, sectionName: gone}]}", "!Accepted=NoMatchingParent" },
      { "{parentRefs: [{name: gw, sectionName: http, port: 81}]}", "!Accepted=NoMatchingParent" },
      { "{parentRefs: [{name: gw, namespace: infra}]}", "!Accepted=NotAllowedByListeners", "away" },
      { "{parentRefs: [{name: gone, kind: Service, group: ''}]}", "!Accepted=NoMatchingParent" },
    } do
      local said, errors, parents = parent(row[1], row[3])
      assert.same({ row[2], {} }, { said, errors }, row[1])
      assert.equal(row[1]:find "name: gone" and "moongate/gateway-controller" or "example.net/gateway",
        parents[1].controllerName)
    end
  end)

  -- GEP-1294: routes in the mesh, of a service's own namespace or of another, need no ReferenceGrant.
  it("says of services in the mesh that any namespace's routes attach, and send anywhere", function()
    local function said(kind, name, namespace)
      return (parent(("{parentRefs: [{name: %s, kind: %s, group: '%s', namespace: away}], rules: [{backendRefs: [{"
        .. "name: far, namespace: away, port: 8080}]}]}"):format(name, kind, kind == "Service" and ""
        or "gateway.networking.k8s.io"), namespace))
    end
    assert.equal("", said("Service", "far", "away"))
    assert.equal("", said("Service", "far", "infra"))
    assert.equal("!Accepted=NoMatchingParent !ResolvedRefs=RefNotPermitted", said("Gateway", "far", "infra"))
  end)

  it("says of a Service which of its ports takes the route, by number and name", function()
    local two = object("Service", "two", "{clusterIP: 127.0.0.1, ports: [{port: 80, name: http}, "
      .. "{port: 81, name: http-b}]}", nil, "apiVersion: v1")
    for ref, expected in pairs {
      [""] = "", [", port: 81"] = "", [", sectionName: http-b"] = "", [", port: 81, sectionName: http-b"] = "",
      [", port: 82"] = "!Accepted=NoMatchingParent", [", sectionName: http-c"] = "!Accepted=NoMatchingParent",
      [", port: 80, sectionName: http-b"] = "!Accepted=NoMatchingParent",
    } do
      local map = status_of(two .. object("HTTPRoute", "r", ("{parentRefs: [{name: two, kind: Service, group: ''%s}]}")
        :format(ref)))
      assert.equal(expected, told(map["HTTPRoute r"].status.parents[1].conditions), ref)
    end
  end)

  it("says what it refers to in vain", function()
    for refs, reason in pairs {
      ["[{name: web, port: 8080}]"] = "", ["[{name: gone, port: 8080}]"] = "!ResolvedRefs=BackendNotFound",
      ["[{name: web, port: 1}]"] = "!ResolvedRefs=BackendNotFound",
      ["[{name: web, kind: Bucket, group: a.test}]"] = "!ResolvedRefs=InvalidKind",
      ["[{name: far, namespace: away, port: 8080}]"] = "!ResolvedRefs=RefNotPermitted",
      ["[{name: mail, port: 25}]"] = "!ResolvedRefs=UnsupportedProtocol",
      ["[{name: mail, port: 443}]"] = "!ResolvedRefs=UnsupportedProtocol",
    } do
      for _, spec in ipairs { "{backendRefs: %s}",
        "{filters: [{type: RequestMirror, requestMirror: {backendRef: %s}}]}" } do
        local ref = spec:find "Mirror" and refs:sub(2, -2) or refs
        assert.equal(reason, (parent("{parentRefs: [{name: gw}], rules: [" .. spec:format(ref) .. "]}")), refs)
      end
    end
  end)

  it("refuses filters that nobody here has, by name", function()
    for _, filter in ipairs { "{type: ExtensionRef, extensionRef: {group: a.test, kind: Kind, name: f}}",
      "{type: ExternalAuth, externalAuth: {protocol: GRPC, backendRef: {name: web, port: 8080}}}" } do
      local said, errors = parent("{parentRefs: [{name: gw}], rules: [{filters: [" .. filter .. "]}]}")
      assert.equal("!Accepted=UnsupportedValue", said)
      assert.matches("filters of type Ext%a+ are not supported", errors[1].message)
    end
  end)

  it("leaves a host to the older of two routes of different kinds", function()
    local map = status_of(gateway("gw", HTTP)
      .. object("GRPCRoute", "old", "{parentRefs: [{name: gw}], hostnames: [a.test]}", nil, nil,
        ", creationTimestamp: '2020-01-01T00:00:00Z'")
      .. object("HTTPRoute", "new", "{parentRefs: [{name: gw}], hostnames: ['*.test']}", nil, nil,
        ", creationTimestamp: '2021-01-01T00:00:00Z'")
      .. object("HTTPRoute", "other", "{parentRefs: [{name: gw}], hostnames: [b.test]}")
      .. object("GRPCRoute", "same", "{parentRefs: [{name: gw}], hostnames: [b.test, c.test]}")
      .. object("GRPCRoute", "wild", "{parentRefs: [{name: gw}], hostnames: ['*.test']}"))
    local function said(key) return told(map[key].status.parents[1].conditions) end
    assert.same({ "", "!Accepted=NotAllowedByListeners", "" }, { said "GRPCRoute old", said "HTTPRoute new",
      said "HTTPRoute other" })
    assert.same({ "!Accepted=NotAllowedByListeners", "!Accepted=NotAllowedByListeners" }, { said "GRPCRoute same",
      said "GRPCRoute wild" })
    assert.same({ "", 2, 2 }, { listener(map, "Gateway gw", "http") })
  end)

  it("carries the generation that was looked at, and the parent as the route names it", function()
    local map = status_of(gateway("gw", HTTP)
      .. object("HTTPRoute", "r", "{parentRefs: [{name: gw, sectionName: http}]}", nil, nil, ", generation: 7"))
    local one = map["HTTPRoute r"].status.parents[1]
    assert.same({ 7, 7 }, { one.conditions[1].observedGeneration, map["HTTPRoute r"].metadata.generation })
    assert.same({ group = "gateway.networking.k8s.io", kind = "Gateway", name = "gw", sectionName = "http" },
      one.parentRef)
  end)
end)

describe("the status of a BackendTLSPolicy", function()
  local function policy(name, validation, target)
    return object("BackendTLSPolicy", name, ("{targetRefs: [{group: '', kind: Service, name: %s}], validation: {"
      .. "hostname: mail.test, %s}}"):format(target or "mail", validation))
  end
  local ROUTE = gateway("gw", HTTP)
    .. object("HTTPRoute", "r", "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: mail, port: 443}]}]}")

  it("says whether it can be honoured, for each Gateway that it counts for", function()
    for _, row in ipairs {
      { "caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]", "" },
      { "wellKnownCACertificates: System", "" }, { "wellKnownCACertificates: a.test/x", "!Accepted=Invalid" },
      { "caCertificateRefs: [{name: gone}]", "!Accepted=NoValidCACertificate !ResolvedRefs=InvalidCACertificateRef" },
      { "caCertificateRefs: [{group: a.test, kind: X, name: ca}]",
        "!Accepted=NoValidCACertificate !ResolvedRefs=InvalidKind" },
      { "caCertificateRefs: [{name: ca}, {name: gone}]", "!ResolvedRefs=InvalidCACertificateRef" },
    } do
      local map, errors = status_of(ROUTE .. policy("p", row[1]))
      assert.same({}, errors)
      local ancestors = map["BackendTLSPolicy p"].status.ancestors
      assert.same({ 1, "Gateway", "gw", row[2] }, { #ancestors, ancestors[1].ancestorRef.kind,
        ancestors[1].ancestorRef.name, told(ancestors[1].conditions) }, row[1])
    end
  end)

  it("leaves a service to the first of two, and misses one that is not there", function()
    local ok = "wellKnownCACertificates: System"
    local map = status_of(ROUTE .. policy("b", ok) .. policy("a", ok) .. policy("c", ok, "gone")
      .. policy("d", ok, "mail, sectionName: https") .. policy("e", ok, "mail, sectionName: gone"))
    local function said(name) return told(map["BackendTLSPolicy " .. name].status.ancestors[1].conditions) end
    assert.same({ "", "!Accepted=Conflicted", "!Accepted=TargetNotFound" }, { said "a", said "b", said "c" })
    assert.same({ "", "!Accepted=TargetNotFound" }, { said "d", said "e" })
  end)

  it("turns into TLS to the endpoints, or into nobody to call", function()
    local function service(validation)
      local model, errors = manifest.load(BASE .. ROUTE .. policy("p", validation))
      assert.same({}, errors)
      return model.services["mail.infra.svc.cluster.local:443"], model.routes[1].backends[1]
    end
    assert.same({ ca = CERT, sni = "mail.test" }, service("caCertificateRefs: [{name: ca}]").tls)
    assert.same({ ca = "", sni = "mail.test", verify = "a.test spiffe://b.test/c" }, service("wellKnownCACertificates: "
      .. "System, subjectAltNames: [{type: Hostname, hostname: a.test}, {type: URI, uri: 'spiffe://b.test/c'}]").tls)
    local invalid = service "caCertificateRefs: [{name: gone}]"
    assert.same({ nil, {} }, { invalid.tls, invalid.endpoints })
  end)
end)

describe("YAML text", function()
  it("reads back as what was written", function()
    local value = { apiVersion = "v1", empty = json.array(), items = {
      { name = "a", deep = { status = "True", count = 3 } },
      { name = "", list = { "x: y", "no", "- a", { b = "c\nd" } } } }, map = {} }
    local text = yaml_text.encode(value)
    assert.same(value, yaml.parse(text)[1].value)
    assert.truthy(text:find('items:\n- deep:\n    count: 3\n    status: "True"\n  name: a\n- list:\n  - "x: y"', 1,
      true))
  end)
end)
