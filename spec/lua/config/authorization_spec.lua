local fake = require "spec.support.fake_ctx"
local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"
local rbac = require "policies.rbac"

-- A service with two workloads; "$waypoint" and "$labels" may be filled in.
local MESH = [[
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: prod, labels: {$labels}}
spec: {clusterIP: 127.0.20.1, selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop, namespace: prod}
spec: {selector: {}, template: {metadata: {labels: {app: shop, version: v1}}}}
---
]]

local WAYPOINT = [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: way, namespace: prod}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
]]

local function policy(spec, metadata)
  return ("apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {%s}\nspec: %s\n---\n")
    :format(metadata or "name: p, namespace: prod", spec)
end

local function load(text, labels)
  return manifest.load((text:gsub("%$labels", labels or "")))
end

-- The settings of policy rbac at the shop; nil when nothing guards it.
local function guard(text, labels)
  local model, errors, warnings = load(MESH .. text, labels)
  assert.same({}, errors)
  for _, use in ipairs(model.routes[1].policies) do
    if use.name == "rbac" then return use.conf, warnings, model end
  end
  return nil, warnings, model
end

local function refused(text)
  local model, errors = load(MESH .. text)
  assert.is_nil(model)
  return ("%d: %s"):format(errors[1].line, errors[1].message), #errors
end

local SLEEP = "cluster.local/ns/prod/sa/sleep"

describe("AuthorizationPolicies", function()
  it("of one action count together, each under its own name", function()
    local conf = guard(policy("{rules: [{to: [{operation: {methods: [GET]}}]}]}", "name: a, namespace: prod")
      .. policy("{action: AUDIT, rules: [{}]}", "name: b, namespace: prod")
      .. policy("{rules: [{}, {}]}", "name: c, namespace: prod"))
    assert.same({ "ns[prod]-policy[a]-rule[0]", "ns[prod]-policy[c]-rule[0]", "ns[prod]-policy[c]-rule[1]" },
      { conf.allow[1].id, conf.allow[2].id, conf.allow[3].id })
    assert.equal("ns[prod]-policy[b]-rule[0]", conf.audit[1].id)
    assert.is_nil(conf.deny)
  end)

  it("on trial are never enforced, and do not make the service deny by default", function()
    local trial = "name: a, namespace: prod, annotations: {istio.io/dry-run: \"True\"}"
    local conf = guard(policy("{rules: [{to: [{operation: {paths: [/a]}}]}]}", trial))
    assert.is_nil(conf.allow)
    assert.equal("ns[prod]-policy[a]-rule[0]", conf.dry_run.allow[1].id)
    local ctx = fake.new { path = "/b" }
    assert.is_nil(rbac.request(rbac.prepare(conf), ctx))
    assert.equal("denied", ctx.shared.metadata["envoy.filters.http.rbac"].istio_dry_run_allow_shadow_engine_result)
    assert.is_nil(guard(policy("{rules: [{}]}", trial:gsub("True", "0"))).dry_run)
  end)

  it("expand bare service accounts with their own namespace", function()
    local conf = guard(policy('{rules: [{from: [{source: {serviceAccounts: [a, x/b], notServiceAccounts: [c]}}], '
      .. 'when: [{key: source.serviceAccount, values: [d]}]}]}'))
    local rule = conf.allow[1]
    assert.same({ "prod/a", "x/b" }, rule.from[1].service_accounts)
    assert.same({ "prod/c" }, rule.from[1].not_service_accounts)
    assert.same({ "prod/d" }, rule.when[1].values)
  end)

  it("mean the mesh's trust domain and its aliases by any of them", function()
    local conf, _, model = guard(mesh.config("trustDomain: td1\ntrustDomainAliases: [td2]\n") .. policy([[
{rules: [{from: [{source: {
  principals: ["cluster.local/ns/a/sa/b", "td2/ns/a/sa/c", "other/ns/a/sa/b", "*/ns/a/sa/b", "*", "td1/x",
    "*1/ns/a/sa/d", "td*/ns/a/sa/e"],
  notTrustDomains: [td1, bad], trustDomains: [cluster.local]}}],
  when: [{key: source.principal, values: ["td1/ns/a/sa/b"]}]}]}]]))
    local rule = conf.allow[1]
    assert.same({ "td1/ns/a/sa/b", "td2/ns/a/sa/b", "td1/ns/a/sa/c", "td2/ns/a/sa/c", "other/ns/a/sa/b",
      "*/ns/a/sa/b", "*", "td1/x", "*1/ns/a/sa/d", "td2/ns/a/sa/d",
      "td1/ns/a/sa/e", "td2/ns/a/sa/e" }, rule.from[1].principals)
    assert.same({ "td1", "td2", "bad" }, rule.from[1].not_trust_domains)
    assert.same({ "cluster.local" }, rule.from[1].trust_domains)
    assert.same({ "td1/ns/a/sa/b", "td2/ns/a/sa/b" }, rule.when[1].values)
    assert.equal("base", model.listeners[1].path_normalization)
  end)

  it("count by targetRefs at a waypoint of the new form, where selectors mean nothing", function()
    local label = "istio.io/use-waypoint: way"
    local refs = {
      { "prod", "{kind: Service, name: shop}" }, { "prod", "{kind: Service, group: core, name: shop}" },
      { "prod", "{kind: Gateway, group: gateway.networking.k8s.io, name: way}" },
      { "istio-system", "{kind: GatewayClass, group: gateway.networking.k8s.io, name: istio-waypoint}" },
    }
    for _, row in ipairs(refs) do
      local spec = ("{targetRefs: [%s], action: DENY, rules: [{}]}"):format(row[2])
      local text = policy(spec, "name: p, namespace: " .. row[1])
      assert.is_truthy(guard(WAYPOINT .. text, label), row[2])
      local conf, warnings = guard(text)
      assert.is_nil(conf)
      assert.matches("guards nothing: no Gateway, or service", warnings[1].message)
    end
    assert.is_nil(guard(WAYPOINT .. policy("{targetRef: {kind: Service, name: cart}, rules: [{}]}"), label))
    local conf, warnings = guard(WAYPOINT .. policy("{selector: {matchLabels: {app: shop}}}"), label)
    assert.is_nil(conf)
    assert.matches("spec.selector: does not count for shop.prod.svc.cluster.local: its waypoint", warnings[1].message)
  end)

  it("say that they cannot be about the address of a pod", function()
    local pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop-1, namespace: prod, labels: {app: shop}}\n"
      .. "spec: {containers: []}\nstatus: {podIP: 10.0.0.7}\n---\n"
    local function warned(values)
      local spec = "{action: DENY, rules: [{when: [{key: destination.ip, notValues: [%s]}]}]}"
      local _, warnings = guard(pod .. policy(spec:format(values)))
      return manifest.messages(warnings)
    end
    assert.matches("when%[0%].notValues: means a pod of shop.prod.svc.cluster.local, and is about the address that "
      .. "clients call, 127.0.20.1", warned "10.0.0.0/24")
    assert.equal("", warned "10.9.9.9")
    assert.equal("", warned "'10.0.0.7', '127.0.20.1'")
    -- What is refused is not looked at again.
    local mistakes = "{action: DENY, rules: [{when: [{key: destination.ip, values: [foo]}]}, "
      .. "{to: [{operation: {ports: [foo]}}]}]}"
    assert.equal(2, (select(2, refused(pod .. policy(mistakes)))))
  end)

  it("count at a waypoint of another namespace that lets the service in", function()
    local labels = "istio.io/use-waypoint: far, istio.io/use-waypoint-namespace: infra"
    local there = WAYPOINT:gsub("name: way, namespace: prod", "name: far, namespace: infra")
    local open = there:gsub("HBONE}", "HBONE, allowedRoutes: {namespaces: {from: All}}}")
    local refs = { "{kind: Service, name: shop}", "{kind: Gateway, group: gateway.networking.k8s.io, name: far}" }
    for i, namespace in ipairs { "prod", "infra" } do
      local text = policy(("{targetRefs: [%s], action: DENY, rules: [{}]}"):format(refs[i]),
        "name: p, namespace: " .. namespace)
      assert.is_truthy(guard(open .. text, labels))
      local conf, warnings = guard(there .. text, labels)
      assert.is_nil(conf)
      assert.matches("use%-waypoint\"%]: has no effect: the waypoint infra/far lets nobody of the namespace prod in",
        manifest.messages(warnings))
    end
    local _, warnings = guard(open, "istio.io/use-waypoint: far")
    assert.matches("has no effect: there is no waypoint far in the namespace prod", manifest.messages(warnings))
    _, warnings = guard(open, "istio.io/use-waypoint: none")
    assert.equal("", manifest.messages(warnings))
  end)

  it("are about the workload's port, and at a waypoint about the service's", function()
    local deny = policy("{action: DENY, rules: [{to: [{operation: {ports: ['8080']}}]}]}")
    local there = policy("{targetRefs: [{kind: Service, name: shop}], action: DENY, "
      .. "rules: [{when: [{key: destination.port, values: ['8080']}]}]}")
    local pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: shop-1, namespace: prod, labels: {app: shop}}\n"
      .. "spec: {containers: [{ports: [{name: web, containerPort: 8080}]}]}\nstatus: {podIP: 10.0.0.7}\n---\n"
    local function denies(target, text, labels)
      local whole = MESH:gsub("port: 80}", "port: 80" .. target .. "}") .. text
      local model, errors = load(whole, labels)
      assert.same({}, errors)
      for _, use in ipairs(model.routes[1].policies) do
        if use.name == "rbac" then
          return rbac.request(rbac.prepare(use.conf), fake.new { port = model.listeners[1].port }) ~= nil, use.conf.port
        end
      end
    end
    assert.same({ true, 8080 }, { denies(", targetPort: 8080", deny) })
    assert.same({ true, 8080 }, { denies(", targetPort: web", pod .. deny) })
    assert.same({ false, nil }, { denies("", deny) })
    assert.same({ false, nil }, { denies(", targetPort: 80", deny) })
    assert.same({ false, nil }, { denies(", targetPort: 8080", WAYPOINT .. there, "istio.io/use-waypoint: way") })
  end)

  it("take the settings of the mesh", function()
    local conf, warnings, model = guard(mesh.config("rootNamespace: root\nenableTracing: true\n"
      .. "pathNormalization: {normalization: MERGE_SLASHES}\n")
      .. policy("{action: DENY, rules: [{}]}", "name: p, namespace: root"))
    assert.equal("ns[root]-policy[p]-rule[0]", conf.deny[1].id)
    assert.equal("merge_slashes", model.listeners[1].path_normalization)
    assert.matches("enableTracing has no effect here", warnings[1].message)
    assert.equal("none", select(3, guard(mesh.config "pathNormalization: {normalization: NONE}\n"))
      .listeners[1].path_normalization)
  end)

  it("know the conditions on claims, notes and addresses", function()
    local conf = guard(policy([[
{rules: [{when: [{key: "request.auth.claims[realm][roles]", values: [admin]},
  {key: "experimental.envoy.filters.a.b[c]", notValues: ["[x]"]}, {key: destination.ip, values: [127.0.20.1]}]}]}]]))
    local token = { iss = "i", sub = "s", claims = { realm = { roles = { "admin" } } } }
    local function passes(given) return rbac.request(rbac.prepare(conf), fake.new(given)) == nil end
    assert.is_true(passes { shared = { jwt = token }, local_address = "127.0.20.1" })
    assert.is_false(passes { shared = { jwt = token }, local_address = "127.0.20.2" })
    assert.is_false(passes { local_address = "127.0.20.1" })
    local noted = { jwt = token, metadata = { ["envoy.filters.a.b"] = { c = { "x" } } } }
    assert.is_false(passes { shared = noted, local_address = "127.0.20.1" })
  end)

  local BAD = {
    { "{action: DENY}", "spec: expected rules: DENY without any never matches" },
    { "{rules: [~]}", "spec.rules[0]: expected a value, found null" },
    { "{rules: [{from: []}]}", "spec.rules[0].from: expected at least one entry" },
    { "{rules: [{to: []}]}", "spec.rules[0].to: expected at least one entry" },
    { "{rules: [{from: [{source: {}}]}]}", "spec.rules[0].from[0].source: expected at least one field" },
    { "{rules: [{from: [{source: ~}]}]}", "spec.rules[0].from[0]: 'source' is missing" },
    { "{rules: [{to: [{operation: {}}]}]}", "spec.rules[0].to[0].operation: expected at least one field" },
    { "{rules: [{from: [{source: {principals: ['']}}]}]}", "spec.rules[0].from[0].source.principals[0]: expected a" },
    { "{rules: [{from: [{source: {ipBlocks: [10.0.0.0/8, nine]}}]}]}",
      "spec.rules[0].from[0].source.ipBlocks[1]: expected an address" },
    { "{rules: [{from: [{source: {notRemoteIpBlocks: [10.0.0.0/64]}}]}]}",
      "spec.rules[0].from[0].source.notRemoteIpBlocks[0]: the length" },
    { "{rules: [{from: [{source: {serviceAccounts: ['a*']}}]}]}",
      "spec.rules[0].from[0].source.serviceAccounts[0]: expected namespace/account" },
    { "{rules: [{from: [{source: {serviceAccounts: [a], namespaces: [b]}}]}]}",
      "spec.rules[0].from[0].source: serviceAccounts cannot stand beside" },
    { "{rules: [{from: [{source: {serviceAccounts: [" .. ("a, "):rep(17) .. "]}}]}]}",
      "spec.rules[0].from[0].source.serviceAccounts: expected at most 16, found 17" },
    { "{rules: [{from: [{source: {serviceAccounts: [" .. ("a"):rep(321) .. "]}}]}]}",
      "spec.rules[0].from[0].source.serviceAccounts[0]: expected at most 320 characters" },
    { "{rules: [{to: [{operation: {ports: ['0x50']}}]}]}", "spec.rules[0].to[0].operation.ports[0]: expected a port" },
    { "{rules: [{to: [{operation: {paths: ['/{**}/{*}']}}]}]}",
      "spec.rules[0].to[0].operation.paths[0]: {**} must be the last" },
    { "{rules: [{to: [{operation: {pahts: [/]}}]}]}", "spec.rules[0].to[0].operation.pahts: unknown key" },
    { "{rules: [{when: [{key: no.such, values: [a]}]}]}", "spec.rules[0].when[0].key: unknown condition" },
    { "{rules: [{when: [{key: destination.user, values: [a]}]}]}", "spec.rules[0].when[0].key: destination.user" },
    { "{rules: [{when: [{key: 'request.headers[a]', values: ['']}]}]}",
      "spec.rules[0].when[0].values[0]: expected a value, found an empty text" },
    { "{rules: [{when: [{key: source.ip}]}]}", "spec.rules[0].when[0]: expected values or notValues" },
    { "{rules: [{when: [{key: source.ip, notValues: [x]}]}]}", "spec.rules[0].when[0].notValues[0]: expected an" },
    { "{selector: {matchLabels: {app: 'a*'}}}", "spec.selector.matchLabels.app: expected a label" },
    { "{targetRefs: [{kind: Pod, name: a}]}", "spec.targetRefs[0].kind: Pod of group \"\" is nothing" },
    { "{targetRefs: [{kind: Gateway, name: a}]}", "spec.targetRefs[0].kind: Gateway of group \"\" is nothing" },
    { "{targetRefs: [{kind: Service, name: a, namespace: b}]}", "spec.targetRefs[0].namespace: expected the policy's" },
    { "{targetRef: {kind: Service, name: a}, selector: {}}", "spec.targetRef: expected one of selector" },
    { "{provider: {name: x}, rules: [{}]}", "spec.provider: stands with the action CUSTOM only" },
  }

  for _, case in ipairs(BAD) do
    it("are refused: " .. case[2], function()
      local message = refused(policy(case[1]))
      local expected = "14: AuthorizationPolicy p: " .. case[2]
      assert.equal(expected, message:sub(1, #expected))
    end)
  end

  it("are refused where a mistake guards nothing, too", function()
    assert.matches("unknown condition", (refused(policy(
      "{selector: {matchLabels: {app: none}}, rules: [{when: [{key: x, values: [a]}]}]}"))))
  end)

  it("on trial take DENY and ALLOW only", function()
    local message = refused(policy("{action: AUDIT, rules: [{}]}",
      "name: p, namespace: prod, annotations: {istio.io/dry-run: \"1\"}"))
    assert.matches("stands with ALLOW and DENY only", message)
  end)

  it("need settings of the mesh that can be read", function()
    for text, expected in pairs {
      ["trustDomain: [a]\n"] = "data.mesh: trustDomain: expected a string",
      ["pathNormalisation: {}\n"] = "data.mesh: pathNormalisation: unknown key",
      ["pathNormalization: {normalization: ALL}\n"] = "data.mesh: pathNormalization.normalization: ",
      ["- a\n"] = "data.mesh: expected one mapping", ["a: [\n"] = "data.mesh: not YAML: line",
    } do
      assert.truthy((refused(mesh.config(text))):find(expected, 1, true), expected)
    end
  end)

  it("compare whole principals", function()
    local conf = guard(policy(("{rules: [{from: [{source: {principals: [%s]}}]}]}"):format(SLEEP)))
    local function passes(principal)
      local ctx = fake.new { peer = { address = "10.0.0.1", principal = principal } }
      return rbac.request(rbac.prepare(conf), ctx) == nil
    end
    assert.is_true(passes("spiffe://" .. SLEEP))
    assert.is_false(passes("spiffe://" .. SLEEP .. "r"))
    assert.is_false(passes(nil))
  end)

  it("match nobody by a principal that has Istio's own scheme, and it is said", function()
    local texts = '["spiffe://' .. SLEEP .. '", "spiffe://*"]'
    for _, spec in ipairs { "{rules: [{from: [{source: {principals: %s}}]}]}",
      "{rules: [{when: [{key: source.principal, values: %s}]}]}" } do
      local conf, warnings = guard(policy(spec:format(texts)))
      local ctx = fake.new { peer = { address = "10.0.0.1", principal = "spiffe://" .. SLEEP } }
      assert.equal(403, rbac.request(rbac.prepare(conf), ctx).status)
      assert.equal(2, #warnings)
      assert.matches("%[1%]: matches no identity: Istio's principals are written", warnings[2].message)
    end
  end)

  it("count by services and classes at waypoints alone", function()
    local attachment = require "moongate.config.manifests.attachment"
    local proxy = { namespace = "prod", labels = {}, gateway = "gw",
      services = { { kind = "Service", name = "shop", namespace = "prod" } } }
    local function counts(ref, namespace)
      return attachment.attaches({ namespace = namespace or "prod", spec = { targetRefs = { ref } } }, proxy, "root")
    end
    local service = { kind = "Service", name = "shop" }
    local class = { kind = "GatewayClass", group = "gateway.networking.k8s.io", name = "istio-waypoint" }
    assert.is_false(counts(service))
    assert.is_false(counts(class, "root"))
    assert.is_true(counts { kind = "Gateway", group = "gateway.networking.k8s.io", name = "gw" })
    proxy.class, proxy.refs_only = "istio-waypoint", true
    assert.is_true(counts(service))
    assert.is_true(counts(class, "root"))
  end)

  it("with AUDIT and no rules are taken, as by Istio", function()
    local conf, warnings = guard(policy("{action: AUDIT, rules: []}"))
    assert.is_nil(conf.audit[1])
    assert.matches("spec: notes nothing: it has no rules", warnings[1].message)
  end)

  it("name 16 accounts of 320 characters at most, in conditions too", function()
    local many = {}
    for i = 1, 17 do many[i] = "a" .. i end
    local condition = "{rules: [{when: [{key: source.serviceAccount, notValues: [%s]}]}]}"
    assert.matches("when%[0%].notValues: expected at most 16, found 17",
      (refused(policy(condition:format(table.concat(many, ", "))))))
    assert.matches("notValues%[0%]: expected at most 320", (refused(policy(condition:format(("a"):rep(321))))))
  end)
end)
