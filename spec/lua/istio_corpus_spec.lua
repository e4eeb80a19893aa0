--- Istio's own cases, as rows of data: which request an AuthorizationPolicy lets in, where a policy attaches, how a
-- path is spelled, which hosts and prefixes match.
--
-- MOONGATE_ISTIO_CASES names a folder with more rows; the policies they speak of stay beside the default ones. Without
-- a folder of rows there is nothing to ask.
local cases = require "spec.support.istio_cases"
local attachment = require "moongate.config.manifests.attachment"
local compile = require "policies.rbac.compile"
local fake_abi = require "spec.support.fake_abi"
local fake = require "spec.support.fake_ctx"
local json = require "moongate.json"
local jwt = require "policies.jwt"
local manifest = require "spec.support.manifest"
local names = require "moongate.config.manifests.names"
local normalize = require "moongate.normalize"
local rbac = require "policies.rbac"
local rewrite = require "policies.rewrite"
local order = require "moongate.model.order"
local router = require "moongate.router"
local yaml = require "moongate.yaml"

local DEFAULT, FOLDER, read = cases.default, cases.folder, cases.read
local as_json, policies_of, text_of = cases.as_json, cases.policies_of, cases.text_of

local function rows(...)
  local list, why = cases.rows(...)
  if why then pending(why) end
  return list
end

-- ---- authz.json: through the front end for manifests and policy rbac ----------------------

local function load(case, policies)
  return manifest.load(cases.text(case, policies))
end

local function model_of(case)
  local policies = policies_of(case)
  local model, errors = load(case, policies)
  if model then return model end
  cases.drop_refused(policies, errors)
  model, errors = load(case, policies)
  return assert(model, errors[1] and errors[1].message)
end

local function guard_of(model)
  for _, use in ipairs(model.routes[1].policies) do
    if use.name == "rbac" then return use.conf end
  end
  return {}
end

local function context_of(request, listener)
  local path, query = request.path:match("^([^?]*)%??(.*)$")
  local change = normalize.by_mode(listener.path_normalization)
  if change then path = change(path) end
  if not path then return nil end
  local source, token = request.source, request.jwt
  return fake.new {
    method = request.method, path = path, query = request.path:find("?", 1, true) and query or nil,
    authority = request.host, headers = request.headers, port = request.destination.port,
    peer = { address = source.ip, principal = source.principal, tls = source.principal ~= nil,
      certificate = request.sni and { sni = request.sni } },
    client_address = source.remoteIp or source.ip, local_address = listener.host,
    shared = { jwt = token and { iss = token.iss, sub = token.sub, claims = token } },
  }
end

-- The id of the first rule of a list, in the order of the files, that a request meets: the one that a case names.
local function first_of(rules, ctx)
  local rank = rules and compile.rules(rules, "least")(ctx)
  return rank and rules[rank].id
end

-- Of several rules that refuse a request, Envoy and policy rbac name the first in the alphabet.
local function check_refusal(expected, answer, details, first)
  assert.equal(expected.body, answer.body)
  assert.equal(expected.matchedPolicy, first or "none")
  local named = details:match("^rbac_access_denied_matched_policy%[(.*)%]$")
  if named == expected.matchedPolicy then
    assert.equal(expected.responseCodeDetails, details)
  else
    assert.is_true(first ~= nil and named < first)
  end
end

local function check_notes(expected, ctx)
  local metadata = ctx.shared.metadata or {}
  local notes = metadata["envoy.filters.http.rbac"] or {}
  for field, action in pairs { dryRunAllow = "allow", dryRunDeny = "deny" } do
    local prefix = ("istio_dry_run_%s_shadow_"):format(action)
    local said = expected[field]
    assert.equal(said and said.result, notes[prefix .. "engine_result"])
    assert.equal(said and said.policy, notes[prefix .. "effective_policy_id"])
  end
  local common = metadata["envoy.common"]
  assert.equal(expected.audit, common and common.access_log_hint)
end

local function check_decision(case)
  local model, expected = model_of(case), case.expect
  local ctx = context_of(case.request, model.listeners[1])
  if not ctx then return assert.same({ "bad_request", 400 }, { expected.decision, expected.status }) end
  local conf = guard_of(model)
  local allowed, denied = first_of(conf.allow, ctx), first_of(conf.deny, ctx)
  local answer = rbac.request(rbac.prepare(conf), ctx)
  assert.equal(expected.decision, answer and "deny" or "allow")
  assert.equal(expected.status, answer and answer.status or 200)
  if answer then
    check_refusal(expected, answer, ctx.details, denied)
  elseif expected.matchedPolicy then
    assert.equal(expected.matchedPolicy, allowed or "none")
  end
  check_notes(expected, ctx)
end

describe("Istio's cases: AuthorizationPolicy", function()
  local tcp = 0
  for _, case in ipairs(rows "authz.json") do
    if case.context.protocol == "tcp" then
      tcp = tcp + 1
    else
      it(case.id .. (case.note and ": " .. case.note or ""), function() check_decision(case) end)
    end
  end
  if tcp > 0 then pending(("%d rows are about TCP, which is not served"):format(tcp)) end
end)

-- ---- requestauthn.json: policies jwt and rbac, as the front end for manifests orders them -------------------

local KEYS = "http://keys.example/jwks"
local B = { matchLabels = { app = "b" } }

local function believes(name, ...)
  local rules = json.array { ... }
  for _, rule in ipairs(rules) do rule.issuer, rule.jwksUri = ("test-issuer-%d@istio.io"):format(rule.issuer), KEYS end
  return { apiVersion = "security.istio.io/v1", kind = "RequestAuthentication", metadata = { name = name },
    spec = { selector = B, jwtRules = rules } }
end

local FIRST_ONLY = { apiVersion = "security.istio.io/v1", kind = "AuthorizationPolicy", metadata = { name = "first" },
  spec = { selector = B, rules = json.array { {
    to = json.array { { operation = { methods = json.array { "GET" } } } },
    from = json.array { { source = { requestPrincipals = json.array { "test-issuer-1@istio.io/sub-1" } } } } } } } }

-- What the policies that the cases name say, where their files are absent.
local IN_OTHER_WORDS = {
  ["policies/ra-authn-only.yaml"] = { believes("only", { issuer = 1, outputPayloadToHeader = "x-test-payload",
    outputClaimToHeaders = json.array {
      { header = "x-jwt-iss", claim = "iss" }, { header = "x-jwt-iat", claim = "iat" },
      { header = "x-jwt-nested-claim", claim = "nested.nested-2.key2" } } },
    { issuer = 2, outputPayloadToHeader = "x-test-payload" }) },
  ["policies/ra-authn-authz.yaml"] = { believes("both", { issuer = 1 }), FIRST_ONLY },
  ["policies/ra-forward.yaml"] = { believes("forward", { issuer = 1, forwardOriginalToken = true }) },
  ["policies/ra-aud.yaml"] = { believes("part-1", { issuer = 1, audiences = json.array { "foo" } },
    { issuer = 2, audiences = json.array { "bar" } }), believes("part-2", { issuer = 2 }) },
  ["policies/ra-headers-params.yaml"] = { believes("places", { issuer = 1, fromHeaders = json.array {
    { name = "x-jwt-token", prefix = "Value " }, { name = "auth-token", prefix = "Token " } },
    fromParams = json.array { "token", "secondary_token" } }), FIRST_ONLY },
}

local function objects_of(case)
  local list = json.array()
  for _, name in ipairs(case.policies) do
    local text = text_of(name)
    local objects = text and {} or IN_OTHER_WORDS[name]
    if not objects then return nil, name end
    for _, document in ipairs(text and assert(yaml.parse(text)) or {}) do
      if type(document.value) == "table" then objects[#objects + 1] = as_json(document.value) end
    end
    for _, object in ipairs(objects) do
      object.metadata.namespace = object.metadata.namespace or "echo1"
      list[#list + 1] = object
    end
  end
  return list
end

local TOKENS, KEY_SET = FOLDER .. "/jwt-tokens.json", FOLDER .. "/jwks.json"

local function shared_file(path) return read(path) or read(DEFAULT .. path:match "/[^/]*$") end

local known_tokens

-- Tokens in place of their names.
local function fill(text)
  known_tokens = known_tokens or assert(json.decode(assert(shared_file(TOKENS))))
  return (text:gsub("{(%w+)}", function(name) return assert(known_tokens[name], name).token end))
end

local function request_of(case)
  local request, headers = case.request, {}
  for name, value in pairs(request.headers or {}) do headers[name] = fill(value) end
  local path, query = fill(request.path):match "^([^?]*)%??(.*)$"
  return fake.new { method = request.method, path = path, query = query ~= "" and query or nil, headers = headers }
end

local POLICIES = { jwt = jwt, rbac = rbac }

-- The answer of the first policy that gives one. What the keys' address would give is put in its place.
local function answer_of(model, ctx)
  for _, use in ipairs(model.routes[1].policies) do
    for _, rule in ipairs(use.name == "jwt" and use.conf.rules or {}) do
      if not rule.jwks then rule.jwks, rule.jwks_url, rule.jwks_service = shared_file(KEY_SET), nil, nil end
    end
    local policy = POLICIES[use.name]
    local answer = policy and policy.request(policy.prepare(use.conf), ctx)
    if answer then return answer end
  end
end

local function check_authentication(case)
  local objects, absent = objects_of(case)
  if not objects then return pending("there is no " .. absent) end
  local model, errors = load({ context = { namespace = "echo1", labels = { app = "b" }, rootNamespace = "istio-system",
    trustDomain = "cluster.local", trustDomainAliases = {}, pathNormalization = "DEFAULT" },
    request = { destination = { ip = "10.10.1.9", port = 80 } } }, objects)
  assert(model, errors[1] and errors[1].message)
  local ctx, expected = request_of(case), case.expect
  local answer = answer_of(model, ctx)
  assert.equal(expected.status, answer and answer.status or 200)
  if expected.body then assert.equal(expected.body, answer and answer.body) end
  for name, value in pairs(expected.upstreamHeaders or {}) do
    assert.equal(value ~= json.null and fill(value) or nil, ctx.req.headers[name])
  end
end

describe("Istio's cases: RequestAuthentication", function()
  before_each(function() fake_abi.wall_time = 1800000000 end)

  local text = read(FOLDER .. "/requestauthn.json")
  if not text then return pending("there is no requestauthn.json in " .. FOLDER) end
  for _, case in ipairs(assert(json.decode(text)).cases) do
    it(("%s: %s"):format(case.id, case.name), function() check_authentication(case) end)
  end
end)

-- ---- the other tables ---------------------------------------------------------------------

local GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"

local function proxy_of(case)
  local given = case.proxy
  local proxy = { namespace = given.namespace, labels = given.labels, services = {},
    refs_only = given.type == "waypoint" }
  if given.type ~= "workload" then
    proxy.gateway = given.labels[GATEWAY_NAME]
    proxy.refs_only = proxy.refs_only or not case.selectorPoliciesForGatewaysEnabled
  end
  if given.type == "waypoint" then proxy.class = "istio-waypoint" end
  for i, service in ipairs(given.services or {}) do
    proxy.services[i] = { name = service.name, namespace = service.namespace,
      kind = service.registry == "External" and "ServiceEntry" or "Service" }
  end
  return proxy
end

describe("Istio's cases: attachment", function()
  for _, case in ipairs(rows "attachment.json") do
    it(("%s: %s"):format(case.id, case.name), function()
      local policy = { namespace = case.policyNamespace,
        spec = { selector = case.selector, targetRefs = case.targetRefs, targetRef = case.targetRef } }
      local root = case.proxy.rootNamespace or "istio-system"
      assert.equal(case.attached, attachment.attaches(policy, proxy_of(case), root))
    end)
  end
end)

describe("Istio's cases: normalization", function()
  for _, case in ipairs(rows "normalization.json") do
    it(("%s %s"):format(case.mode, case["in"]), function()
      local path, query = case["in"]:gsub("#.*", ""):match("^([^?]*)(.*)$") -- a client sends no fragment
      local change = normalize.by_mode(case.mode == "DEFAULT" and "base" or case.mode:lower())
      if change then path = change(path) end
      assert.equal(case.out, path and path .. query or "400")
    end)
  end
end)

describe("Istio's cases: hosts", function()
  for _, case in ipairs(rows "host-match.json") do
    it(("%s and %s"):format(case.a, case.b), function()
      assert.equal(case.matches, names.host_intersection(case.a:lower(), case.b:lower()) ~= nil)
    end)
  end
end)

describe("Istio's cases: prefixes of an HTTPRoute", function()
  for _, case in ipairs(rows("httproute-prefix.json")) do
    it(("%s of %s becomes %s: %s"):format(case.prefixMatch, case.request, case.replace, case.result), function()
      local conf = fake.conf(rewrite, { prefix = { from = case.prefixMatch, to = case.replace } })
      local ctx = fake.new { path = case.request }
      rewrite.request(conf, ctx)
      assert.equal(case.result, ctx.req.path)
    end)
  end

  for _, case in ipairs(rows("httproute-prefix.json", "pathPrefixMatches")) do
    it(("%s %s %s"):format(case.prefix, case.match and "takes" or "does not take", case.path), function()
      local routes = order.rank({ { name = "r", matches = { { path = { prefix = case.prefix } } } } }, true)
      local model = { listeners = { { name = "web" } }, routes = routes }
      assert.equal(case.match, router.new(model):match(0, fake.new { path = case.path }.req) ~= nil)
    end)
  end
end)
