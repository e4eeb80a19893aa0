local manifests = require "moongate.config.manifests"
local manifest = require "spec.support.manifest"

local routes_at = manifest.routes_at

local WALKTHROUGH = "examples/walkthrough"
local ALL = { "00-ingress", "00-services", "00-workloads", "10-web-api-waypoint", "20-web-api-rbac",
  "30-web-api-gw-vs", "40-purchase-history-waypoint", "50-purchase-history-vs", "60-purchase-history-dr" }

local function path_of(name)
  return ("%s/%s.yaml"):format(WALKTHROUGH, name)
end

local FILES = {}
for i, name in ipairs(ALL) do FILES[i] = path_of(name) end

local function read(name)
  local file = assert(io.open(path_of(name)))
  local text = file:read("*a")
  file:close()
  return text
end

local function replaced(text, old, new)
  local from, to = text:find(old, 1, true)
  assert(from, "the text does not hold: " .. old)
  return text:sub(1, from - 1) .. new .. text:sub(to + 1)
end

local function lines(notes, file)
  local list = {}
  for _, note in ipairs(notes) do
    list[#list + 1] = ("%s%d: %s"):format(note.file == file and "" or note.file .. ":", note.line, note.message)
  end
  return list
end

--- Loads the walk-through with one of its files changed.
local function with_change(changed, text, check)
  manifest.in_file(text, function(path)
    local paths = {}
    for i, name in ipairs(ALL) do paths[i] = name == changed and path or FILES[i] end
    check(path, manifests.load(paths, { port_offset = 1000 }))
  end)
end

--- Loads the walk-through and one more text.
local function with_more(text, check)
  manifest.in_file(text, function(path)
    local paths = { unpack(FILES) }
    paths[#paths + 1] = path
    check(path, manifests.load(paths, { port_offset = 1000 }))
  end)
end

local function secret(name, namespace)
  return ([[
apiVersion: v1
kind: Secret
metadata: {name: istio.%s, namespace: %s}
type: istio.io/key-and-cert
stringData: {cert-chain.pem: "CERT %s", key.pem: "KEY %s", root-cert.pem: ROOT}
---
]]):format(name, namespace, name, name)
end

local function by_name(list)
  local map = {}
  for _, item in ipairs(list) do map[item.name] = item end
  return map
end

local function use_of(route, name)
  for _, use in ipairs(route.policies) do
    if use.name == name then return use end
  end
end

describe("front end for manifests", function()
  it("takes the walk-through as it stands", function()
    local model, errors, warnings = manifests.load(FILES)
    assert.same({}, lines(errors))
    assert.same({}, lines(warnings))
    assert.equal(4, #model.listeners)
    assert.equal("127.0.0.1:15020", model.admin.address)
  end)

  it("gives every Service a listener at its cluster address", function()
    local model = manifests.load(FILES)
    local listener = by_name(model.listeners)["mesh web-api.default.svc.cluster.local:8080"]
    assert.equal("127.0.10.1:8080", listener.address)
    assert.equal(WALKTHROUGH .. "/00-services.yaml:11", listener.at)
    assert.is_nil(listener.tls)
    assert.is_false(listener.append_forwarded_for)
  end)

  it("speaks TLS beside clear text where the service's account has an identity", function()
    with_more(secret("web-api", "default"), function(_, model)
      local listener = by_name(model.listeners)["mesh web-api.default.svc.cluster.local:8080"]
      assert.equal("CERT web-api", listener.tls.certs[1].cert)
      assert.equal("ROOT", listener.tls.client_ca)
      assert.equal("request", listener.tls.client_auth)
      assert.is_true(listener.tls.permissive)
    end)
  end)

  it("guards a service by the policies that select its workload", function()
    local model = manifests.load(FILES)
    local guard = use_of(routes_at(model, "mesh web-api.default.svc.cluster.local:8080")[1], "rbac")
    assert.equal("ns[default]-policy[web-api-rbac]-rule[0]", guard.conf.allow[1].id)
    assert.same({ "GET" }, guard.conf.allow[1].to[1].methods)
    assert.is_nil(guard.conf.deny)
    assert.is_nil(use_of(routes_at(model, "mesh recommendation.default.svc.cluster.local:8080")[1], "rbac"))
  end)

  it("splits between subsets at the waypoint, and not without one", function()
    local model = manifests.load(FILES)
    local route = routes_at(model, "mesh purchase-history.default.svc.cluster.local:8080")[1]
    assert.equal("v1", route.backends[1].subset)
    assert.equal(90, route.backends[1].weight)
    assert.equal(10, route.backends[2].weight)
    with_change("40-purchase-history-waypoint", "", function(_, plain, errors, warnings)
      assert.same({}, lines(errors))
      assert.matches("no waypoint serves purchase%-history%.default%.svc%.cluster%.local", lines(warnings)[1])
      local direct = routes_at(plain, "mesh purchase-history.default.svc.cluster.local:8080")[1]
      assert.equal(1, #direct.backends)
      assert.is_nil(direct.backends[1].subset)
    end)
  end)

  it("calls services from the ingress through their listeners, as the ingress", function()
    local account = "istio-ingressgateway-service-account"
    with_more(secret("web-api", "default") .. secret(account, "istio-system"), function(_, model)
      local routes = routes_at(model, "ingress 0.0.0.0:80")
      assert.same({ "istioexplained.io" }, routes[1].hosts)
      assert.same({ name = "user", exact = "Amy" }, routes[1].matches[1].headers[1])
      assert.equal(5000, use_of(routes[1], "fault").conf.delay.fixed)
      assert.is_nil(use_of(routes[2], "fault"))
      local service = model.services[routes[2].backends[1].service]
      assert.equal("127.0.10.1:9080", service.endpoints[1].address) -- our own port is bound 1000 higher
      assert.equal("CERT " .. account, service.tls.cert)
      assert.equal("spiffe://cluster.local/ns/default/sa/web-api", service.tls.verify)
    end)
  end)

  it("reports at a waypoint as the destination, and as the source of what its workload calls", function()
    local model = manifests.load(FILES)
    local function rows(service)
      local route = routes_at(model, ("mesh %s.default.svc.cluster.local:8080"):format(service))[1]
      return use_of(route, "metrics").conf.istio
    end
    local inbound = rows("web-api")[1]
    assert.equal("destination", inbound.reporter)
    assert.equal("web-api.default.svc.cluster.local", inbound.destination.service)
    assert.equal("v1", inbound.destination.canonical_revision)
    assert.is_nil(inbound.destination.app)
    assert.equal("sleep", inbound.sources.by_principal["spiffe://cluster.local/ns/default/sa/sleep"].workload)
    assert.equal("purchase-history-v2", inbound.sources.by_address["127.0.11.4"].workload)
    local outbound = rows("recommendation")[1] -- no waypoint of its own, so only what others call through theirs
    assert.equal("source", outbound.reporter)
    assert.equal("web-api-waypoint-proxy", outbound.source.workload)
    assert.same({ "spiffe://cluster.local/ns/default/sa/web-api", "127.0.11.1" }, outbound.only_from)
    local several = rows("purchase-history")[1].destination -- v1 and v2 have in common what is no version's
    assert.is_nil(several.workload)
    assert.equal("purchase-history", several.canonical_service)
  end)

  it("knows the workload behind an endpoint, and so its labels", function()
    local model = manifests.load(FILES)
    local endpoints = model.services["purchase-history.default.svc.cluster.local:8080"].endpoints
    assert.equal("127.0.11.4:8080", endpoints[2].address)
    assert.equal("v2", endpoints[2].labels.version)
    assert.equal("purchase-history-v2", endpoints[2].workload.workload)
  end)

  it("gives endpoints that are not ready no traffic", function()
    local text = replaced(read("00-services"), "- addresses: [127.0.11.3]",
      "- conditions: {ready: false}\n  addresses: [127.0.11.3]")
    with_change("00-services", text, function(_, model)
      assert.equal(1, #model.services["purchase-history.default.svc.cluster.local:8080"].endpoints)
    end)
  end)

  it("denies everything by an ALLOW policy without rules, and nothing without a policy", function()
    local text = "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: none}\n"
    with_more(text, function(_, model, errors)
      assert.same({}, lines(errors))
      local route = routes_at(model, "mesh recommendation.default.svc.cluster.local:8080")[1]
      assert.same({}, use_of(route, "rbac").conf.allow)
      assert.is_nil(use_of(routes_at(model, "ingress 0.0.0.0:80")[1], "rbac"))
    end)
  end)

  it("guards requests that no route takes", function()
    local text = replaced(read("50-purchase-history-vs"), "  - route:", "  - match: [{uri: {exact: /}}]\n    route:")
    text = text .. "---\n" .. replaced(read("20-web-api-rbac"), "app: web-api", "app: purchase-history")
      :gsub("web%-api%-rbac", "history")
    with_change("50-purchase-history-vs", text, function(_, model, errors)
      assert.same({}, lines(errors))
      local routes = routes_at(model, "mesh purchase-history.default.svc.cluster.local:8080")
      assert.equal(2, #routes)
      assert.equal("rbac", routes[2].policies[2].name)
      assert.equal(404, routes[2].policies[3].conf.status)
    end)
  end)

  it("lets the root namespace speak for the whole mesh", function()
    local text = [[
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: no-trace, namespace: istio-system}
spec:
  action: DENY
  rules: [{to: [{operation: {methods: [TRACE]}}], when: [{key: source.ip, notValues: [127.0.0.1]}]}]
]]
    with_more(text, function(_, model, errors)
      assert.same({}, lines(errors))
      for _, route in ipairs(model.routes) do
        local rule = use_of(route, "rbac").conf.deny[1]
        assert.equal("ns[istio-system]-policy[no-trace]-rule[0]", rule.id)
        assert.same({ "127.0.0.1" }, rule.when[1].not_values)
      end
    end)
  end)

  it("takes a waypoint of the new form for the services that ask for it", function()
    local gateway = [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
]]
    with_change("40-purchase-history-waypoint", gateway, function(_, _, _, warnings)
      assert.matches("no waypoint serves", lines(warnings)[1])
    end)
    local namespace = "---\napiVersion: v1\nkind: Namespace\n"
      .. "metadata: {name: default, labels: {istio.io/use-waypoint: waypoint}}\n"
    with_change("40-purchase-history-waypoint", gateway .. namespace, function(_, model, errors)
      assert.same({}, lines(errors))
      local route = routes_at(model, "mesh purchase-history.default.svc.cluster.local:8080")[1]
      assert.equal(2, #route.backends)
    end)
  end)

  it("puts catch-all routes of a gateway's host last, whoever wrote them first", function()
    with_more([[
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: later}
spec:
  hosts: [istioexplained.io]
  gateways: [default/web-api-gateway]
  http:
  - name: search
    match: [{uri: {prefix: /search}, method: {exact: GET}, withoutHeaders: {x-old: {}}, queryParams: {q: {exact: a}}}]
    route: [{destination: {host: web-api}}]
    timeout: 1.5s
    retries: {attempts: 1, perTryTimeout: 250ms, retryOn: "5xx,503"}
]], function(_, model, errors)
      assert.same({}, lines(errors))
      local routes = routes_at(model, "ingress 0.0.0.0:80")
      local route = routes[2]
      assert.equal("ingress 0.0.0.0:80 default/later/search", route.name)
      assert.same({ starts_with = "/search" }, route.matches[1].path)
      assert.same({ name = "x-old", present = true, invert = true }, route.matches[1].headers[1])
      assert.equal(1500, route.timeout)
      assert.equal(250, route.per_try_timeout)
      assert.same({ "5xx", "503" }, route.retries.on)
      assert.is_nil(routes[3].matches[1].path)
    end)
  end)

  it("reads JSON, Lists and empty documents", function()
    with_more('---\n---\n{"apiVersion": "v1", "kind": "List", "items": [\n'
      .. '{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}},\n'
      .. '{"apiVersion": "v1", "kind": "ServiceAcount", "metadata": {"name": "b"}}]}', function(path, _, errors)
      assert.same({ "5: ServiceAcount b: kind: ServiceAcount (v1) is not supported yet; did you mean ServiceAccount?" },
        lines(errors, path))
    end)
  end)

  it("reads lists of one kind, and says on which line an item of theirs is wrong", function()
    with_more([[
apiVersion: v1
kind: ServiceAccountList
metadata: {resourceVersion: "1"}
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: web-api}
- apiVersion: v1
  kind: ServiceAcount
  metadata: {name: b}
]], function(path, _, errors)
      local said = table.concat(lines(errors, path), "\n")
      assert.matches("9: ServiceAcount b: kind: ServiceAcount (v1) is not supported yet", said, 1, true)
    end)
  end)

  it("refuses a list without items, or with keys that no list has", function()
    with_more("apiVersion: v1\nkind: ServiceAccountList\nitems: {}\n---\n"
      .. "apiVersion: v1\nkind: ServiceAccountList\nitmes: []\nitems: []\n", function(path, _, errors)
      local said = table.concat(lines(errors, path), "\n")
      assert.matches("expected the list of objects", said, 1, true)
      assert.matches("unknown key 'itmes'", said, 1, true)
    end)
  end)

  it("refuses plain texts in a list, however many, once", function()
    with_more("apiVersion: v1\nkind: List\nitems:\n- {}\n" .. ("- text\n"):rep(40000), function(path, _, errors)
      assert.same({ "4: apiVersion: expected a Kubernetes object with apiVersion and kind",
        "5: items[1]: expected a Kubernetes object, found a string, and so are 39999 more of the list" },
        lines(errors, path))
    end)
  end)

  it("refuses an object that stands twice, also in a list, and names the first", function()
    with_more("apiVersion: v1\nkind: List\nitems:\n"
      .. ("- {apiVersion: v1, kind: ServiceAccount, metadata: {name: twice}}\n"):rep(2), function(path, _, errors)
      local said = table.concat(lines(errors, path), "\n")
      assert.matches("5: ServiceAccount twice: metadata.name: is there twice; first in ", said, 1, true)
      assert.matches(":4", said, 1, true)
    end)
  end)
end)

-- file, what stands there, what is written instead, the only message.
local BAD = {
  { "20-web-api-rbac", "action: ALLOW", "action: CUSTOM",
    "7: AuthorizationPolicy web-api-rbac: spec: 'provider' is missing; CUSTOM needs it" },
  { "20-web-api-rbac", "  action: ALLOW", "  acton: ALLOW",
    "11: AuthorizationPolicy web-api-rbac: spec.acton: unknown key 'acton'; did you mean 'action'?" },
  { "20-web-api-rbac", "methods: [\"GET\"]", "methods: GET",
    "18: AuthorizationPolicy web-api-rbac: spec.rules[0].to[0].operation.methods: "
    .. 'expected a list, got the string "GET"' },
  { "20-web-api-rbac", "methods: [\"GET\"]", "methods: []",
    "18: AuthorizationPolicy web-api-rbac: spec.rules[0].to[0].operation.methods: expected at least one value" },
  { "20-web-api-rbac", "methods: [\"GET\"]", "methods: {}",
    "18: AuthorizationPolicy web-api-rbac: spec.rules[0].to[0].operation.methods: expected a list, found a mapping" },
  { "20-web-api-rbac", "methods: [\"GET\"]", "methods: [~]",
    "18: AuthorizationPolicy web-api-rbac: spec.rules[0].to[0].operation.methods[0]: expected a value, found null" },
  { "20-web-api-rbac", "app: web-api", "app: ~",
    "10: AuthorizationPolicy web-api-rbac: spec.selector.matchLabels.app: expected a value, found null" },
  { "20-web-api-rbac", "methods: [\"GET\"]", "methods: [on]",
    "18: not YAML: 'on' is a boolean to YAML 1.1 and a string to 1.2: quote it, or write true or false" },
  { "20-web-api-rbac", "methods: [\"GET\"]", "ports: [\"http\"]",
    "18: AuthorizationPolicy web-api-rbac: spec.rules[0].to[0].operation.ports[0]: expected a port" },
  { "20-web-api-rbac", "  selector:", "  targetRefs: [{kind: Service, name: web-api}]\n  selector:",
    "8: AuthorizationPolicy web-api-rbac: spec.targetRefs: expected one of selector, targetRefs and targetRef" },
  { "20-web-api-rbac", "  namespace: default", "  annotations: {istio.io/dry-run: \"yes\"}",
    "6: AuthorizationPolicy web-api-rbac: metadata.annotations[\"istio.io/dry-run\"]: expected true or false, found" },
  { "20-web-api-rbac", "security.istio.io/v1beta1", "security.istio.io/v2",
    "2: AuthorizationPolicy web-api-rbac: apiVersion: security.istio.io/v2 of AuthorizationPolicy is not supported; "
    .. "security.istio.io/v1, security.istio.io/v1beta1 are" },
  { "20-web-api-rbac", "kind: AuthorizationPolicy", "kind: AuthorisationPolicy",
    "3: AuthorisationPolicy web-api-rbac: kind: AuthorisationPolicy (security.istio.io/v1beta1) is not supported yet; "
    .. "did you mean AuthorizationPolicy?" },
  { "20-web-api-rbac", "  name: \"web-api-rbac\"\n", "",
    "4: AuthorizationPolicy (without a name): metadata: 'name' is missing; expected a string" },
  { "30-web-api-gw-vs", "fixedDelay: 5s", "fixedDelay: five",
    '14: VirtualService web-api-gw-vs: spec.http[0].fault.delay.fixedDelay: '
    .. 'expected a duration such as "5s", got the string "five"' },
  { "30-web-api-gw-vs", "fixedDelay: 5s", "fixedDelay: 5",
    '14: VirtualService web-api-gw-vs: spec.http[0].fault.delay.fixedDelay: '
    .. 'expected a duration such as "5s", found the number 5' },
  { "30-web-api-gw-vs", "value: 100", "value: 101",
    "16: VirtualService web-api-gw-vs: spec.http[0].fault.delay.percentage.value: "
    .. "expected a value of at most 100, got 101" },
  { "30-web-api-gw-vs", "exact: Amy", "regex: A(m",
    '20: VirtualService web-api-gw-vs: spec.http[0].match[0].headers.user.regex: bad regular expression "A(m"; '
    .. "missing ): A(m" },
  { "30-web-api-gw-vs", "exact: Amy", "exact: true",
    "20: VirtualService web-api-gw-vs: spec.http[0].match[0].headers.user.exact: "
    .. "expected a string, got the boolean true" },
  { "30-web-api-gw-vs", "  - web-api-gateway", "  - web-api-gatway",
    "10: VirtualService web-api-gw-vs: spec.gateways[0]: there is no Gateway web-api-gatway in the namespace default; "
    .. "did you mean 'web-api-gateway'?" },
  { "30-web-api-gw-vs", "number: 8080", "number: 8081",
    "24: VirtualService web-api-gw-vs: spec.http[0].route[0].destination.port: "
    .. "web-api.default.svc.cluster.local has no port 8081 that speaks HTTP; it has 8080" },
  { "50-purchase-history-vs", "subset: v2", "subset: v3",
    "19: VirtualService purchase-history-vs: spec.http[0].route[1].destination.subset: "
    .. "no DestinationRule gives purchase-history.default.svc.cluster.local a subset v3; did you mean 'v1'?" },
  { "50-purchase-history-vs", "host: purchase-history.default", "host: purchase-histroy.default",
    "12: VirtualService purchase-history-vs: spec.http[0].route[0].destination.host: there is no Service "
    .. "purchase-histroy.default.svc.cluster.local; did you mean 'purchase-history.default.svc.cluster.local'?" },
  { "50-purchase-history-vs", "weight: 10", "weight: -1",
    "22: VirtualService purchase-history-vs: spec.http[0].route[1].weight: expected a value of at least 0, got -1" },
  { "60-purchase-history-dr", "  - name: v1", "  - labels2: {}\n    name: v1",
    "8: DestinationRule purchase-history-dr: spec.subsets[0].labels2: unknown key 'labels2'; did you mean 'labels'?" },
  { "60-purchase-history-dr", "version: v1", "version: 1",
    "10: DestinationRule purchase-history-dr: spec.subsets[0].labels.version: expected a string, got the number 1" },
  { "60-purchase-history-dr", "spec:", "spec:\n  trafficPolicy: {tunnel: {}}",
    "6: DestinationRule purchase-history-dr: spec.trafficPolicy.tunnel: is not supported yet" },
  { "10-web-api-waypoint", "istio-mesh", "nginx",
    "10: Gateway web-api: spec.gatewayClassName: there is no GatewayClass nginx" },
  { "10-web-api-waypoint", "istio-mesh", "istio-waypoint",
    "9: Gateway web-api: spec.listeners: expected one listener, found 0" },
  { "00-services", "clusterIP: 127.0.10.2", "clusterIP: 127.0.10.1",
    "22: 127.0.10.1:8080 is taken already by listener 'mesh web-api.default.svc.cluster.local:8080'; "
    .. "expected an address of its own" },
  { "00-services", "name: recommendation", "name: web-api", "17: Service web-api: metadata.name: is there twice" },
  { "00-services", "[127.0.11.2]", "[host one]", '59: bad address "host one:8080"' },
  { "00-services", "    port: 8080", "    port: http", "12: Service web-api: spec.ports[0].port: expected an int" },
  { "00-workloads", "serviceAccountName: sleep", "serviceAccountName: slep",
    "33: Deployment sleep: spec.template.spec.serviceAccountName: there is no ServiceAccount slep" },
  { "00-ingress", "protocol: HTTP", "protocol: HTTPS", "35: Gateway web-api-gateway: spec.servers[0]: HTTPS needs" },
  { "00-ingress", "protocol: HTTP", "protocol: HTTPS\n    tls: {mode: SIMPLE, credentialName: shop}",
    "39: Gateway web-api-gateway: spec.servers[0].tls.credentialName: there is no Secret shop in the namespace "
    .. "istio-system" },
  { "00-ingress", "apiVersion: v1", "- v1", "3: not YAML" },
  { "00-ingress", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: istio-system", "- v1",
    "2: expected a Kubernetes object, found a list" },
}

describe("front end for manifests refuses, by file and line,", function()
  for i, case in ipairs(BAD) do
    it(("case %d: %s"):format(i, case[3]:gsub("\n", " ")), function()
      with_change(case[1], replaced(read(case[1]), case[2], case[3]), function(path, model, errors)
        assert.is_nil(model)
        local first = lines(errors, path)[1] or "(no message)"
        assert.equal(case[4], first:sub(1, #case[4]))
      end)
    end)
  end

  it("every mistake of every file at once", function()
    with_change("20-web-api-rbac", replaced(read("20-web-api-rbac"), "action: ALLOW", "action: LOG\n  extra: 1"),
      function(path, _, errors)
        assert.equal(2, #lines(errors, path))
      end)
  end)

  it("a secret that is not what it says", function()
    with_more(replaced(secret("web-api", "default"), "key.pem", "kay.pem"), function(path, _, errors)
      assert.same({ "1: Secret istio.web-api: data: 'key.pem' is missing" }, lines(errors, path))
    end)
    with_more(replaced(secret("web-api", "default"), "istio.io/key-and-cert", "Opaque"), function(path, _, errors)
      assert.same({ "4: Secret istio.web-api: type: expected istio.io/key-and-cert, found Opaque" },
        lines(errors, path))
    end)
  end)

  it("a file that cannot be read, and files that serve nothing", function()
    local _, errors = manifests.load({ "none.yaml" })
    assert.same({ "none.yaml:1: cannot be read: No such file or directory" }, lines(errors))
    _, errors = manifests.load({ path_of "00-workloads" })
    assert.matches("nothing to serve", lines(errors)[1])
  end)
end)
