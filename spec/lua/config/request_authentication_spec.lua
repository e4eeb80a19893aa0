local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"

local MESH = [[
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {clusterIP: 127.0.20.1, selector: {app: shop}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {selector: {}, template: {metadata: {labels: {app: shop}}}}
---
apiVersion: v1
kind: Service
metadata: {name: keys, namespace: idp}
spec: {clusterIP: 127.0.20.2, selector: {app: keys}, ports: [{name: http, port: 8000}]}
---
]]

local KEYS = '\'{"keys":[{"kty":"oct","k":"' .. ("a"):rep(44) .. '"}]}\''

local function load(text)
  return manifest.load(MESH .. text)
end

local function object(kind, name, spec, namespace)
  return mesh.object("security.istio.io/v1", kind, name, spec, namespace)
end

local function believes(rules, name, more, namespace)
  return object("RequestAuthentication", name or "r", ("{%sjwtRules: [%s]}"):format(more or "", rules), namespace)
end

local function uses_of(model, listener)
  for _, route in ipairs(model.routes) do
    if route.listeners[1]:find(listener, 1, true) then
      local list = {}
      for i, use in ipairs(route.policies) do list[i] = use.name end
      return table.concat(list, " "), route.policies
    end
  end
end

local function rules_at(text, listener)
  local model, errors = load(text)
  assert.same({}, errors)
  local _, uses = uses_of(model, listener or "shop")
  for _, use in ipairs(uses) do
    if use.name == "jwt" then return use.conf.rules, model end
  end
end

describe("RequestAuthentication", function()
  it("checks tokens before rules ask whose they are", function()
    local model, errors = load(believes("{issuer: me, jwks: " .. KEYS .. "}")
      .. object("AuthorizationPolicy", "a", "{rules: [{from: [{source: {requestPrincipals: ['*']}}]}]}"))
    assert.same({}, errors)
    assert.matches("jwt rbac", (uses_of(model, "shop")))
    assert.is_nil((uses_of(model, "keys"):find("jwt", 1, true)))
  end)

  it("means every field", function()
    local rule = rules_at(believes("{issuer: me, audiences: [a, b], jwksUri: 'https://idp.test/k', timeout: 2s, "
      .. "fromHeaders: [{name: X-A, prefix: 'T '}, {name: x-b}], fromParams: [p], fromCookies: [c], "
      .. "outputPayloadToHeader: x-p, outputClaimToHeaders: [{header: x-s, claim: sub}], forwardOriginalToken: true, "
      .. "spaceDelimitedClaims: [teams]}"))[1]
    assert.same({ "me", { "a", "b" }, "https://idp.test/k", 2000, { { name = "X-A", prefix = "T " },
      { name = "x-b", prefix = "" } }, { "p" }, { "c" }, "x-p", { { header = "x-s", claim = "sub" } }, true,
      { "teams" } },
      { rule.issuer, rule.audiences, rule.jwks_url, rule.timeout, rule.from_headers, rule.from_params,
        rule.from_cookies, rule.payload_header, rule.claim_headers, rule.forward, rule.space_delimited })
    assert.equal(5000, rules_at(believes "{issuer: 'https://idp.test'}")[1].timeout)
  end)

  it("lets requests without a token pass, unless a rule wants it to be there", function()
    local function required(text)
      rules_at(text)
      local _, uses = uses_of((load(text)), "shop")
      for _, use in ipairs(uses) do
        if use.name == "jwt" then return use.conf.required end
      end
    end
    local plain = believes("{issuer: me, jwks: " .. KEYS .. ", presence: OPTIONAL}")
    assert.is_false(required(plain))
    assert.is_false(required(believes("{issuer: me, jwks: " .. KEYS .. "}")))
    assert.is_true(required(plain .. believes("{issuer: you, jwks: " .. KEYS .. ", presence: REQUIRED}", "s")))
    local _, errors = load(believes "{issuer: a, presence: SOMETIMES}")
    assert.matches("presence: expected one of", errors[1].message)
  end)

  it("asks a Service of the files for keys by its endpoints", function()
    local rule, model = rules_at(believes "{issuer: me, jwksUri: 'http://keys.idp.svc.cluster.local:8000/jwks?a=b'}")
    assert.same({ service = "keys.idp.svc.cluster.local:8000", path = "/jwks?a=b",
      authority = "keys.idp.svc.cluster.local:8000" }, rule[1].jwks_service)
    assert.is_table(model.services["keys.idp.svc.cluster.local:8000"])
    assert.equal("http://idp.test:8000/jwks", rules_at(believes "{jwksUri: 'http://idp.test:8000/jwks'}")[1].jwks_url)
  end)

  it("says which keys nothing here can answer for", function()
    local function warnings_of(uri)
      local _, _, warnings = load(believes("{issuer: me, jwksUri: '" .. uri .. "'}"))
      local count = 0
      for _, warning in ipairs(warnings) do
        if warning.message:find("is no Service of these files", 1, true) then count = count + 1 end
      end
      return count
    end
    assert.equal(1, warnings_of "http://jwt.idp.svc.cluster.local:8000/jwks")
    assert.equal(1, warnings_of "https://keys.idp.svc.cluster.local")
    assert.equal(1, warnings_of "http://keys.idp.svc.cluster.local:1/jwks")
    assert.equal(0, warnings_of "http://keys.idp.svc.cluster.local:8000/jwks")
    assert.equal(0, warnings_of "https://idp.test/jwks")
  end)

  it("adds up, where it counts", function()
    local one, two = "{issuer: one, jwks: " .. KEYS .. "}", "{issuer: two, jwks: " .. KEYS .. "}"
    local list = rules_at(believes(one) .. believes(two, "s", "selector: {matchLabels: {app: shop}}, ")
      .. believes(one, "other", "selector: {matchLabels: {app: x}}, ") .. believes(two, "mesh", "", "istio-system"))
    assert.equal(3, #list)
    assert.is_nil((rules_at "" or {})[1])
    assert.is_nil((rules_at(object("RequestAuthentication", "none", "{}")) or {})[1])
  end)

  it("says where it counts for nothing", function()
    local _, _, warnings = load(believes("{issuer: one, jwks: " .. KEYS .. "}", "r",
      "selector: {matchLabels: {a: x}}, "))
    local found = false
    for _, warning in ipairs(warnings) do
      found = found or warning.message:find("RequestAuthentication r: spec.selector: guards nothing", 1, true)
    end
    assert.is_truthy(found)
  end)

  it("is refused by name and place where it cannot work", function()
    local function refusal(text)
      local model, errors = load(text)
      assert.is_nil(model)
      return errors[1].message, errors[1].line
    end
    local AT = "^RequestAuthentication r: spec%.jwtRules%[0%]%."
    assert.matches(AT .. "issuer: expected it, or one of jwks, jwksUri$", (refusal(believes "{audiences: [a]}")))
    assert.matches(AT .. "issuer: is no URL.* one of jwks, jwksUri$", (refusal(believes "{issuer: me}")))
    assert.matches(AT .. "jwksUri: expected http", (refusal(believes "{jwksUri: 'ftp://a/b'}")))
    assert.matches(AT .. "jwks: no JSON object", (refusal(believes "{issuer: me, jwks: garbage}")))
    assert.matches(AT .. "audiences%[0%]: ", (refusal(believes("{issuer: me, jwks: " .. KEYS .. ", audiences: ['']}"))))
    assert.matches(AT .. "outputPayloadToHeader: ",
      (refusal(believes("{issuer: me, jwks: " .. KEYS .. ", outputPayloadToHeader: 'a b'}"))))
    assert.matches(AT .. "fromHeaders%[0%]%.name: ",
      (refusal(believes("{issuer: me, jwks: " .. KEYS .. ", fromHeaders: [{name: ''}]}"))))
    assert.matches("unknown key 'issuers'; did you mean 'issuer'", (refusal(believes "{issuers: me}")))
    assert.matches(AT .. "issuer: expected it, or jwksUri", (refusal(believes("{jwks: " .. KEYS .. "}"))))
    assert.matches(AT .. 'jwksUri: expected a port, got "x"', (refusal(believes "{jwksUri: 'https://keys.test:x/a'}")))
    assert.matches(AT .. 'jwksUri: expected a port, got "y"', (refusal(believes "{jwksUri: 'https://u:p@a.test:y'}")))
    assert.matches("header: expected letters", (refusal(believes("{issuer: me, jwks: " .. KEYS
      .. ", outputClaimToHeaders: [{header: 'a%', claim: sub}]}"))))
    assert.matches("annotations.*dry%-run\"%]: stands at an AuthorizationPolicy only",
      (refusal((believes("{issuer: me, jwks: " .. KEYS .. "}"):gsub("metadata: {",
        "%0annotations: {istio.io/dry-run: 'true'}, ")))))
    local good = "{issuer: me, jwksUri: 'https://[::1]/a:b'}, {issuer: you, jwksUri: 'https://keys.test:443/'}, "
      .. "{issuer: her, jwksUri: 'https://user:pass@keys.test/jwks'}"
    assert.same({}, select(2, load(believes(good))))
    local message, line = refusal(believes("{issuer: me, jwks: " .. KEYS .. "}", "r",
      "targetRefs: [{kind: Pod, name: x}], "))
    assert.matches("nothing that a policy attaches to", message)
    assert.equal(select(2, MESH:gsub("\n", "")) + 4, line)
  end)
end)
