local fake = require "spec.support.fake_ctx"
local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"
local rbac = require "policies.rbac"

local MESH = mesh.SHOP .. [[
apiVersion: v1
kind: Service
metadata: {name: authz, namespace: auth}
spec: {ports: [{name: http, port: 8000}, {name: grpc, port: 9000}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: authz-1, namespace: auth, labels: {kubernetes.io/service-name: authz}}
addressType: IPv4
ports: [{name: http, port: 18000}]
endpoints: [{addresses: [127.0.20.9]}]
---
]]

local PROVIDER = [[
- name: full
  envoyExtAuthzHttp:
    service: auth/authz.auth.svc.cluster.local
    port: 8000
    timeout: 2s
    pathPrefix: /check
    failOpen: true
    statusOnError: "503"
    includeRequestHeadersInCheck: [x-user, "x-b3-*"]
    includeHeadersInCheck: [old]
    includeAdditionalHeadersInCheck: {x-from: mesh}
    includeRequestBodyInCheck: {maxRequestBytes: 100, allowPartialMessage: true, packAsBytes: true}
    headersToUpstreamOnAllow: [x-id]
    headersToDownstreamOnAllow: [x-seen]
    headersToDownstreamOnDeny: ["x-why*"]
- name: short
  envoyExtAuthzHttp: {service: authz.auth.svc.cluster.local, port: 8000}
- name: lost
  envoyExtAuthzHttp: {service: nowhere.auth.svc.cluster.local, port: 8000}
- name: port
  envoyExtAuthzHttp: {service: authz.auth.svc.cluster.local, port: 9000}
- name: star
  envoyExtAuthzHttp: {service: authz.auth.svc.cluster.local, port: 8000, headersToUpstreamOnAllow: ["*"]}
- name: grpc
  envoyExtAuthzGrpc: {service: authz.auth.svc.cluster.local, port: 9000}
- name: traces
  zipkin: {service: zipkin.auth.svc.cluster.local, port: 9411}
]]

local function mesh_config(providers)
  return mesh.config("extensionProviders:\n" .. providers)
end

local function policy(name, spec)
  return mesh.object("security.istio.io/v1", "AuthorizationPolicy", name, spec, "prod")
end

local function custom(name, provider, rules)
  return policy(name, ("{action: CUSTOM, provider: {name: %s}, rules: %s}"):format(provider, rules or "[{}]"))
end

-- The uses that guard the shop, and the model.
local function guard(text)
  local model, errors, warnings = manifest.load(MESH .. mesh_config(PROVIDER) .. text)
  assert.same({}, errors)
  return model.routes[1].policies, model, warnings
end

local function refused(text)
  local model, errors = manifest.load(MESH .. text)
  assert.is_nil(model)
  return errors[1].message
end

describe("AuthorizationPolicies with the action CUSTOM", function()
  it("ask a provider, with everything that is said of it, before the others", function()
    local uses, model = guard(policy("a", "{action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]}")
      .. custom("b", "full", "[{to: [{operation: {paths: [/admin*]}}]}]") .. custom("c", "full"))
    assert.same({ "ext_authz", "rbac" }, { uses[1].name, uses[2].name })
    local conf, service = uses[1].conf, "authz.auth.svc.cluster.local:8000"
    assert.equal("127.0.20.9:18000", model.services[service].endpoints[1].address)
    assert.same({ "ns[prod]-policy[b]-rule[0]", "ns[prod]-policy[c]-rule[0]" }, { conf.rules[1].id, conf.rules[2].id })
    assert.same({ { paths = { "/admin*" } } }, conf.rules[1].to)
    conf.rules = nil
    assert.same({ service = service, timeout = 2000, path_prefix = "/check", fail_open = true, status_on_error = 503,
      request_headers = { "x-user", "x-b3-*" }, add_headers = { ["x-from"] = "mesh" },
      body = { limit = 100, allow_partial = true }, upstream_headers = { "x-id" }, allow_headers = { "x-seen" },
      deny_headers = { "x-why*" }, answer_limit = 65536 }, conf)
  end)

  it("have Istio's defaults", function()
    local uses = guard(custom("b", "short"))
    assert.is_nil(uses[2])
    uses[1].conf.rules = nil
    assert.same({ service = "authz.auth.svc.cluster.local:8000", timeout = 600000, path_prefix = "", fail_open = false,
      status_on_error = 403, add_headers = {}, answer_limit = 65536 }, uses[1].conf)
  end)

  it("refuse everything when their provider cannot be asked, and say so", function()
    for provider, why in pairs {
      unknown = "there is no extension provider unknown", shrt = "there is no extension provider shrt; did you mean",
      lost = "the provider lost cannot be asked: there is no Service nowhere",
      port = "the provider port cannot be asked: authz.auth.svc.cluster.local has no port 9000 that speaks HTTP",
      star = "the provider star cannot be asked: upstream_headers.1: expected the name of a header",
    } do
      local uses, _, warnings = guard(custom("b", provider, "[{to: [{operation: {paths: [/admin]}}]}]"))
      assert.same({ "rbac" }, { uses[1].name, uses[2] and uses[2].name })
      local ctx = fake.new { path = "/" }
      assert.equal(403, rbac.request(rbac.prepare(uses[1].conf), ctx).status)
      assert.equal("rbac_access_denied_matched_policy[istio-ext-authz-ns[prod]-policy[b]-rule[0]"
        .. "-deny-due-to-bad-CUSTOM-action]", ctx.details)
      local said
      for _, warning in ipairs(warnings) do
        said = said or warning.message:find("spec.provider.name: " .. why, 1, true) and warning.line
      end
      assert.truthy(said, provider)
    end
  end)

  it("refuse everything when two providers are named for one workload", function()
    local uses, _, warnings = guard(custom("b", "short") .. custom("c", "full"))
    assert.same({ "rbac", 1 }, { uses[1].name, #uses })
    local said = 0
    for _, warning in ipairs(warnings) do
      if warning.message:find("one workload has one provider, and there are short and full", 1, true) then
        said = said + 1
      end
    end
    assert.equal(2, said)
  end)

  it("are refused with what only later steps know, and with providers of other kinds", function()
    local function wrong(rules) return refused(mesh_config(PROVIDER) .. custom("p", "short", rules)) end
    for field in ("principals notPrincipals requestPrincipals namespaces serviceAccounts notTrustDomains")
      :gmatch("%S+") do
      assert.equal(("AuthorizationPolicy p: spec.rules[0].from[0].source.%s: cannot stand in a policy with the action "
        .. "CUSTOM"):format(field), wrong(("[{from: [{source: {%s: [a/b]}}]}]"):format(field)))
    end
    for key in ("source.principal source.namespace request.auth.claims[a] request.auth.principal"):gmatch("%S+") do
      assert.equal(("AuthorizationPolicy p: spec.rules[0].when[0].key: %s cannot stand in a policy with the action "
        .. "CUSTOM"):format(key), wrong(("[{when: [{key: %q, values: [a]}]}]"):format(key)))
    end
    assert.is_nil((wrong("[{from: [{source: {ipBlocks: [1.2.3]}}]}]"):find "CUSTOM"))
    assert.equal("AuthorizationPolicy p: spec.provider.name: grpc is of the kind envoyExtAuthzGrpc, which is not "
      .. "supported yet; envoyExtAuthzHttp is", refused(mesh_config(PROVIDER) .. custom("p", "grpc")))
    assert.equal("AuthorizationPolicy p: spec: 'provider' is missing; CUSTOM needs it",
      refused(policy("p", "{action: CUSTOM, rules: [{}]}")))
    assert.equal("AuthorizationPolicy p: spec.provider: stands with the action CUSTOM only",
      refused(policy("p", "{action: DENY, provider: {name: a}, rules: [{}]}")))
    assert.equal("AuthorizationPolicy p: spec: expected rules: CUSTOM without any never matches",
      refused(policy("p", "{action: CUSTOM, provider: {name: a}}")))
  end)

  it("need providers that are well said", function()
    local function wrong(text) return refused(mesh_config(text)) end
    local at = "ConfigMap istio: data.mesh: extensionProviders"
    assert.equal(at .. "[0]: expected exactly one kind of provider", wrong "- name: a\n")
    assert.equal(at .. "[0]: expected exactly one kind of provider",
      wrong "- {name: a, prometheus: {}, envoyFileAccessLog: {}}\n")
    assert.equal(at .. "[1].name: there are two providers a",
      wrong "- {name: a, zipkin: {}}\n- {name: a, zipkin: {}}\n")
    assert.equal(at .. '[0].envoyExtAuthzHttp.statusOnError: expected a status from 200 to 599, found the string "no"',
      wrong '- {name: a, envoyExtAuthzHttp: {service: a.b, port: 80, statusOnError: "no"}}\n')
    assert.matches("extensionProviders.1.envoyExtAuthzHttp: 'port' is missing", wrong
      "- {name: a, envoyExtAuthzHttp: {service: a.b}}\n")
    assert.matches("unknown key 'failOpn'; did you mean 'failOpen'", wrong
      "- {name: a, envoyExtAuthzHttp: {service: a.b, port: 80, failOpn: true}}\n")
  end)
end)
