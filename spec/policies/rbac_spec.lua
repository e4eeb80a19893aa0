require "spec.support.init"
local fake_abi = require "spec.support.fake_abi"
local fake = require "spec.support.fake_ctx"
local rbac = require "policies.rbac"

local SLEEP = { address = "10.1.2.3", tls = true, principal = "spiffe://cluster.local/ns/default/sa/sleep" }
local CLEAR = { address = "10.1.2.3", port = 40000, tls = false }

-- Whether a request passes; the second value is the detail of a denial.
local function passes(settings, given)
  local ctx = fake.new(given)
  local answer = rbac.request(fake.conf(rbac, settings), ctx)
  return answer == nil, ctx.details
end

local function allowed(rule, given) return (passes({ allow = { rule } }, given)) end

local function first_mistake(rule) return fake.mistakes(rbac, { allow = { rule } })[1] end

describe("policy rbac", function()
  it("answers a refused request as Istio does", function()
    local ctx = fake.new { method = "DELETE" }
    local answer = rbac.request(fake.conf(rbac, { allow = { { methods = { "GET" } } } }), ctx)
    assert.same({ 403, "RBAC: access denied", "text/plain" },
      { answer.status, answer.body, answer.headers["content-type"] })
    assert.equal("rbac_access_denied_matched_policy[none]", ctx.details)
    assert.equal("-", ctx:flags_text())
  end)

  describe("decides", function()
    it("without lists: everything passes", function() assert.is_true(passes({}, {})) end)
    it("with an empty allow: nothing passes", function() assert.is_false(passes({ allow = {} }, {})) end)
    it("with an empty deny: everything passes", function() assert.is_true(passes({ deny = {} }, {})) end)
    it("with a rule without fields: always", function()
      assert.is_true(passes({ allow = { {} } }, {}))
      assert.is_false(passes({ deny = { {} } }, {}))
    end)
    it("deny before allow, and names the rule", function()
      local rules = { allow = { {} }, deny = { { id = "ns[a]-policy[b c]-rule[0]", methods = { "DELETE" } } } }
      local ok, details = passes(rules, { method = "DELETE" })
      assert.is_false(ok)
      assert.equal("rbac_access_denied_matched_policy[ns[a]-policy[b_c]-rule[0]]", details)
      assert.is_true(passes(rules, { method = "GET" }))
    end)
    it("of several denials the first in the alphabet is named", function()
      local deny = { { id = "z", paths = { "/x" } }, { id = "b", paths = { "/*" } }, { id = "c", methods = { "GET" } } }
      local _, details = passes({ deny = deny }, { path = "/x" })
      assert.equal("rbac_access_denied_matched_policy[b]", details)
    end)
  end)

  it("asks all fields of a rule, any of a field's values", function()
    local rule = { principals = { "cluster.local/ns/default/sa/sleep", "other" }, methods = { "GET", "HEAD" } }
    assert.is_true(allowed(rule, { peer = SLEEP, method = "HEAD" }))
    assert.is_false(allowed(rule, { peer = SLEEP, method = "POST" }))
    assert.is_false(allowed(rule, { peer = CLEAR, method = "GET" }))
  end)

  it("asks from AND to AND when", function()
    local rule = {
      from = { { namespaces = { "default" } }, { ip_blocks = { "192.168.0.0/16" } } },
      to = { { methods = { "GET" } }, { paths = { "/health" } } },
      when = { { key = "request.headers[X-Env]", values = { "prod" } },
               { key = "request.headers[x-env]", not_values = { "test" } } },
    }
    local prod = { ["x-env"] = "prod" }
    assert.is_true(allowed(rule, { peer = SLEEP, headers = prod }))
    assert.is_true(allowed(rule, { peer = SLEEP, method = "PUT", path = "/health", headers = prod }))
    assert.is_true(allowed(rule, { peer = { address = "192.168.9.9" }, headers = prod }))
    assert.is_false(allowed(rule, { peer = CLEAR, headers = prod }))
    assert.is_false(allowed(rule, { peer = SLEEP, method = "PUT", headers = prod }))
    assert.is_false(allowed(rule, { peer = SLEEP }))
    assert.is_false(allowed(rule, { peer = SLEEP, headers = { ["x-env"] = { "prod", "test" } } }))
  end)

  describe("identities", function()
    local function principal(uri) return { peer = { address = "10.0.0.1", principal = uri } } end
    local me = principal "spiffe://cluster.local/ns/shop/sa/cart"
    local yes = {
      { principals = { "cluster.local/ns/shop/sa/cart" } },
      { principals = { "spiffe://cluster.local/ns/shop/sa/cart" } },
      { principals = { "cluster.local/ns/shop/*" } }, { principals = { "*/sa/cart" } }, { principals = { "*" } },
      { namespaces = { "shop" } }, { namespaces = { "s*p" } }, { namespaces = { "*" } },
      { namespaces = { "*h*p" } }, { namespaces = { "*sa" } }, { namespaces = { "x", "sh*" } }, -- * takes slashes, too
      { service_accounts = { "shop/cart" } }, { trust_domains = { "cluster.local" } },
      { trust_domains = { "cluster*" } },
      { not_principals = { "cluster.local/ns/shop/sa/other" } }, { not_namespaces = { "sho" } },
      { principals = { "x", "cluster.local/ns/shop/sa/*" }, not_trust_domains = { "old" } },
    }
    local no = {
      { principals = { "cluster.local/ns/shop/sa/car" } }, { principals = { "ns/shop/sa/cart" } },
      { namespaces = { "sho" } }, { namespaces = { "shop.*" } }, { namespaces = { "*cart" } },
      { namespaces = { "ho*" } }, { service_accounts = { "default/cart" } },
      { not_principals = { "*" } }, { not_namespaces = { "shop" } }, { trust_domains = { "*.local2" } },
    }
    it("match", function()
      for i, rule in ipairs(yes) do assert.is_true(allowed(rule, me), "rule " .. i) end
    end)
    it("do not match", function()
      for i, rule in ipairs(no) do assert.is_false(allowed(rule, me), "rule " .. i) end
    end)
    it("have an account, whatever other pairs stand about it", function()
      local rule = { service_accounts = { "shop/cart" } }
      assert.is_true(allowed(rule, principal "spiffe://td/ns/shop/sa/cart/x/y"))
      assert.is_true(allowed(rule, principal "spiffe://td/ns/shop/x/y/sa/cart"))
      assert.is_false(allowed(rule, principal "spiffe://td/ns/shop/sa/carts"))
      assert.is_false(allowed(rule, principal "spiffe://td/ns/shop/xsa/cart"))
    end)
    it("are those of SPIFFE: another URI has a namespace at most", function()
      local other = principal "https://td/ns/shop/sa/cart"
      for _, rule in ipairs { { principals = { "*/sa/cart" } }, { service_accounts = { "shop/cart" } },
        { trust_domains = { "*" } }, { principals = { "x", "*cart", "td/*" } } } do
        assert.is_false(allowed(rule, other))
      end
      assert.is_true(allowed({ namespaces = { "shop" } }, other))
      assert.is_true(allowed({ principals = { "*" } }, other))
      -- No part of the scheme.
      assert.is_false(allowed({ principals = { "*fe://td/ns/a" } }, principal "spiffe://td/ns/a"))
    end)
    it("of a peer that has none: positive fields fail, negative ones hold", function()
      local identities = { "principals", "namespaces", "service_accounts", "trust_domains", "request_principals" }
      for _, field in ipairs(identities) do
        local value = field == "service_accounts" and "a/b" or "*"
        assert.is_false(allowed({ [field] = { value } }, { peer = CLEAR }), field)
        assert.is_true(allowed({ ["not_" .. field] = { value } }, { peer = CLEAR }), "not_" .. field)
      end
    end)
  end)

  describe("addresses", function()
    local function from(address, blocks) return allowed({ ip_blocks = blocks }, { peer = { address = address } }) end
    it("lie in IPv4 blocks", function()
      assert.is_true(from("10.200.0.1", { "10.0.0.0/8" }))
      assert.is_true(from("10.0.0.7", { "1.1.1.1", "10.0.0.6/31" }))
      assert.is_true(from("8.8.8.8", { "0.0.0.0/0" }))
      assert.is_false(from("11.0.0.1", { "10.0.0.0/8" }))
      assert.is_false(from("10.0.0.8", { "10.0.0.6/31" }))
    end)
    it("lie in IPv6 blocks, also those mapped from IPv4", function()
      assert.is_true(from("2001:db8::1", { "2001:db8::/32" }))
      assert.is_true(from("::1", { "0:0:0:0:0:0:0:1" }))
      assert.is_true(from("::ffff:10.1.1.1", { "10.0.0.0/8" }))
      assert.is_true(from("fe80::1%eth0", { "fe80::/10" }))
      assert.is_false(from("2001:db9::1", { "2001:db8::/32" }))
      assert.is_false(from("10.0.0.1", { "::/0" }))
    end)
    it("of the client are another field than the peer's", function()
      local given = { peer = { address = "10.0.0.1" }, client_address = "203.0.113.9" }
      assert.is_true(allowed({ remote_ip_blocks = { "203.0.113.0/24" } }, given))
      assert.is_false(allowed({ remote_ip_blocks = { "10.0.0.0/8" } }, given))
      assert.is_true(allowed({ not_ip_blocks = { "203.0.113.0/24" } }, given))
    end)
  end)

  describe("operations", function()
    it("compare the host with its port, in any case", function()
      assert.is_true(allowed({ hosts = { "Shop.example:8080" } }, { authority = "SHOP.example:8080" }))
      assert.is_false(allowed({ hosts = { "shop.example" } }, { authority = "shop.example:8080" }))
      assert.is_true(allowed({ hosts = { "shop.example*" } }, { authority = "shop.example:8080" }))
      assert.is_true(allowed({ hosts = { "*.example" } }, { authority = "a.EXAMPLE" }))
    end)
    it("compare the listener's port, as a number or a text", function()
      assert.is_true(allowed({ ports = { 8080 } }, { port = 8080 }))
      assert.is_true(allowed({ ports = { "8080" } }, { port = 8080 }))
      assert.is_false(allowed({ not_ports = { "8080" } }, { port = 8080 }))
    end)
    it("compare the port that is set in place of the listener's", function()
      local rules = { { id = "r", ports = { 8080 } } }
      for _, conf in ipairs { { deny = rules }, { allow = { { when = { { key = "destination.port",
        not_values = { "8080" } } } } } } } do
        local ctx = fake.new { port = 80 }
        conf.port = 8080
        assert.is_table(rbac.request(fake.conf(rbac, conf), ctx))
        assert.matches("^denied", rbac.explain(fake.conf(rbac, conf), ctx)[1].text)
        conf.port = 80
        assert.is_nil(rbac.request(fake.conf(rbac, conf), fake.new { port = 8080 }))
      end
      local ctx = fake.new { port = 80 }
      rbac.request(fake.conf(rbac, { port = 8080, audit = rules, dry_run = { deny = rules } }), ctx)
      assert.equal("denied", ctx.shared.metadata["envoy.filters.http.rbac"].istio_dry_run_deny_shadow_engine_result)
      assert.is_true(ctx.shared.metadata["envoy.common"].access_log_hint)
    end)
    it("compare methods with case", function()
      assert.is_false(allowed({ methods = { "get" } }, { method = "GET" }))
      assert.is_true(allowed({ methods = { "P*" } }, { method = "PATCH" }))
    end)
    local paths = {
      { "/a", "/a", true }, { "/a", "/a/", false }, { "/a*", "/abc", true }, { "*.css", "/x/y.css", true },
      { "*", "/", true }, { "/a*b", "/axb", false }, { "/a*b", "/a*b", true },
      { "/a/{*}", "/a/b", true }, { "/a/{*}", "/a/", false }, { "/a/{*}", "/a/b/c", false },
      { "/a/{*}/c", "/a/b/c", true }, { "/a/{**}", "/a", false }, { "/a/{**}", "/a/", true },
      { "/a/{**}", "/a/b/c", true }, { "/s/{**}/cart", "/s//cart", true }, { "/s/{**}/cart", "/s/cart", false },
      { "/s/{**}/cart", "/s/1/2/cart", true }, { "/v1.0/{*}", "/v1x0/a", false },
      { "*b*", "/ab*", true }, { "*b*", "/abc", false }, { "/a/{*}/", "/a/b/", true }, { "/a/{*}/", "/a/b", false },
    }
    for _, row in ipairs(paths) do
      it(("path %s %s %s"):format(row[1], row[3] and "is" or "is not", row[2]), function()
        assert.equal(row[3], allowed({ paths = { row[1] } }, { path = row[2], query = "q=/a" }))
        assert.equal(not row[3], allowed({ not_paths = { row[1] } }, { path = row[2] }))
      end)
    end
  end)

  describe("headers", function()
    it("have names in any case and values with case", function()
      assert.is_true(allowed({ headers = { ["X-User"] = "amy" } }, { headers = { ["x-user"] = "amy" } }))
      assert.is_false(allowed({ headers = { ["x-user"] = "amy" } }, { headers = { ["x-user"] = "Amy" } }))
    end)
    it("of one name are compared one by one", function()
      local twice = { headers = { ["x-user"] = { "bob", "amy" } } }
      assert.is_true(allowed({ headers = { ["x-user"] = "amy" } }, twice))
      assert.is_true(allowed({ headers = { ["x-user"] = { "a*", "zoe" } } }, twice))
      assert.is_false(allowed({ headers = { ["x-user"] = "bob,amy" } }, twice))
      assert.is_false(passes({ deny = { { headers = { ["x-user"] = "amy" } } } }, twice))
      assert.is_false(allowed({ not_headers = { ["x-user"] = "amy" } }, twice))
    end)
    it("are present with *, even when empty", function()
      assert.is_true(allowed({ headers = { ["x-user"] = "*" } }, { headers = { ["x-user"] = "" } }))
      assert.is_false(allowed({ headers = { ["x-user"] = "*" } }, {}))
    end)
    it("may be the host, as it was sent", function()
      local function sent(name, value)
        return allowed({ headers = { [name] = value } }, { authority = "Shop.example:80" })
      end
      for _, name in ipairs { "Host", ":authority" } do
        assert.is_true(sent(name, "Shop.example:80"))
        assert.is_true(sent(name, "Shop*"))
        assert.is_false(sent(name, "shop.example:80"))
      end
    end)
    it("may be several in one rule", function()
      local rule = { headers = { a = "1", b = { "2", "3" } } }
      assert.is_true(allowed(rule, { headers = { a = "1", b = "3" } }))
      assert.is_false(allowed(rule, { headers = { a = "1", b = "4" } }))
      assert.is_false(allowed(rule, { headers = { b = "3" } }))
    end)
  end)

  describe("tokens", function()
    local function with(token) return { shared = { jwt = token } } end
    local token = { iss = "https://id.example/a", sub = "amy", claims = {
      aud = { "shop", "cart" }, azp = "web", role = "admin", scope = "read write", level = 3,
      realm = { roles = { "x" } },
    } }
    local yes = { "*", "https://id.example/a/amy", "https://id.example/a/*", "https://id.example/a/a*", "https*",
                  "*example/a/amy", "*my" }
    for _, text in ipairs(yes) do
      it("request principal " .. text .. " matches", function()
        assert.is_true(allowed({ request_principals = { text } }, with(token)))
      end)
    end
    local no = { "https://id.example/amy", "https://id.example/a", "*other/amy", "https://id.example/a/b*" }
    for _, text in ipairs(no) do
      it("request principal " .. text .. " does not match", function()
        assert.is_false(allowed({ request_principals = { text } }, with(token)))
      end)
    end
    it("without an issuer or a subject are nobody's", function()
      for _, text in ipairs { "*", "*my", "*/amy" } do
        assert.is_false(allowed({ request_principals = { text } }, with { sub = "amy", claims = {} }), text)
      end
      assert.is_false(allowed({ request_principals = { "id*" } }, with { iss = "id", claims = {} }))
      assert.is_false(allowed({ request_principals = { "id" } }, with { iss = "id", claims = {} }))
      assert.is_true(allowed({ request_principals = { "id" } }, with { iss = "id", sub = "", claims = {} }))
    end)
    it("have claims: strings and lists, scopes split, numbers never", function()
      assert.is_true(allowed({ claims = { role = "ad*", scope = "write" } }, with(token)))
      assert.is_false(allowed({ claims = { level = "3" } }, with(token)))
      assert.is_true(allowed({ not_claims = { role = "user" } }, with(nil)))
      assert.is_false(allowed({ claims = { role = "*" } }, with(nil)))
    end)
    local function when(key, value, given) return allowed({ when = { { key = key, values = { value } } } }, given) end
    it("are asked by conditions", function()
      assert.is_true(when("request.auth.audiences", "cart", with(token)))
      assert.is_true(when("request.auth.presenter", "web", with(token)))
      assert.is_true(when("request.auth.claims[realm][roles]", "x", with(token)))
      assert.is_true(when("request.auth.principal", "*/amy", with(token)))
      assert.is_false(when("request.auth.claims[realm]", "x", with(token)))
    end)
  end)

  it("knows the other conditions", function()
    local certificate = { sni = "shop.example" }
    local given = { peer = { address = "10.0.0.1", principal = SLEEP.principal, certificate = certificate },
                    query = "a=1", path = "/p", port = 80, client_address = "1.2.3.4",
                    local_address = "10.9.8.7" }
    local conditions = {
      ["source.ip"] = "10.0.0.0/24", ["remote.ip"] = "1.2.3.4", ["source.namespace"] = "default",
      ["source.principal"] = "cluster.local/ns/default/sa/sleep", ["source.serviceAccount"] = "default/sleep",
      ["source.trustDomain"] = "cluster.local", ["destination.port"] = "80", ["connection.sni"] = "*.example",
      ["request.headers[:path]"] = "/p?a=1", ["request.headers[:method]"] = "GET",
      ["request.headers[:authority]"] = "shop.example", ["request.headers[:scheme]"] = "http",
      ["destination.ip"] = "10.9.0.0/16",
    }
    for key, value in pairs(conditions) do
      assert.is_true(allowed({ when = { { key = key, values = { value } } } }, given), key)
      assert.is_false(allowed({ when = { { key = key, not_values = { value } } } }, given), key)
    end
  end)

  it("asks for what other policies noted", function()
    local notes = { ["envoy.filters.http.ext"] = { tier = "gold", groups = { "a", "bee" } } }
    local function noted(key, value)
      local when = { key = ("experimental.envoy.filters.http.ext[%s]"):format(key), values = { value } }
      return allowed({ when = { when } }, { shared = { metadata = notes } })
    end
    assert.is_true(noted("tier", "go*"))
    assert.is_true(noted("groups", "[b*]"))
    assert.is_false(noted("tier", "[gold]"))
    assert.is_false(noted("groups", "a"))
    assert.is_false(noted("none", "*"))
    local when = { key = "experimental.envoy.filters.http.ext[tier]", not_values = { "gold" } }
    assert.is_true(allowed({ when = { when } }, {}))
  end)

  describe("without changing an answer", function()
    local function tried(settings, given)
      local ctx = fake.new(given)
      local passed = rbac.request(fake.conf(rbac, settings), ctx) == nil
      return passed, ctx.shared.metadata or {}
    end

    it("marks what an audit rule matches", function()
      local settings = { audit = { { paths = { "/pay" } } }, deny = { { methods = { "PUT" } } } }
      local passed, notes = tried(settings, { path = "/pay" })
      assert.is_true(passed)
      assert.is_true(notes["envoy.common"].access_log_hint)
      passed, notes = tried(settings, { path = "/pay", method = "PUT" })
      assert.same({ false, true }, { passed, notes["envoy.common"].access_log_hint })
      assert.same({}, (select(2, tried(settings, {}))))
    end)

    it("notes and counts what rules on trial would do", function()
      local trial = { dry_run = { allow = { { id = "open", paths = { "/open" } } },
        deny = { { id = "b", methods = { "PUT" } }, { id = "a", methods = { "P*" } } } } }
      local function outcome(given)
        local passed, notes = tried(trial, given)
        assert.is_true(passed)
        notes = notes["envoy.filters.http.rbac"]
        return { notes.istio_dry_run_allow_shadow_engine_result, notes.istio_dry_run_allow_shadow_effective_policy_id,
          notes.istio_dry_run_deny_shadow_engine_result, notes.istio_dry_run_deny_shadow_effective_policy_id }
      end
      local before = fake_abi.value("moongate_rbac_dry_run_total", "deny", "denied") or 0
      assert.same({ "allowed", "open", "allowed" }, outcome { path = "/open" })
      assert.same({ "denied", nil, "denied", "a" }, outcome { path = "/x", method = "PUT" })
      assert.equal(before + 1, fake_abi.value("moongate_rbac_dry_run_total", "deny", "denied"))
    end)
  end)

  describe("refuses settings:", function()
    local cases = {
      { { principals = {} }, "allow.1.principals: an empty list" }, { { headers = { a = {} } }, "allow.1.headers.a" },
      { { from = {} }, "allow.1.from: an empty list" }, { { to = { {} } }, "allow.1.to.1: needs a field" },
      { { when = { { key = "no.such", values = { "x" } } } }, "allow.1.when.1.key: unknown condition" },
      { { when = { { key = "destination.labels[app]", values = { "x" } } } }, "allow.1.when.1.key: destination.lab" },
      { { when = { { key = "request.headers[:status]", values = { "x" } } } }, "allow.1.when.1.key: unknown" },
      { { when = { { key = "destination.ip", values = { "x" } } } }, "allow.1.when.1.values.1: expected an address" },
      { { paths = { "/{id}/{*}" } }, "allow.1.paths.1: a segment" },
      { { paths = { "/a b/{*}" } }, "allow.1.paths.1: a path template may not" },
      { { when = { { key = "source.ip" } } }, "allow.1.when.1: needs values" },
      { { when = { { key = "source.ip", values = { "x" } } } }, "allow.1.when.1.values.1: expected an address" },
      { { ip_blocks = { "10.0.0.0/33" } }, "allow.1.ip_blocks.1: the length" },
      { { not_ports = { "http" } }, "allow.1.not_ports.1: expected a port" },
      { { paths = { "/a/{*}.txt" } }, "allow.1.paths.1: a segment" },
      { { paths = { "/{**}/{*}" } }, "allow.1.paths.1: {**} must be" },
      { { paths = { "/a//{*}" } }, "allow.1.paths.1: a path template has no empty" },
      { { not_paths = { "/users/{id}" } }, "allow.1.not_paths.1: braces stand" },
      { { ports = { "0x50" } }, "allow.1.ports.1: expected a port" },
      { { ports = { 80.5 } }, "allow.1.ports.1: expected" },
      { { ip_blocks = { "010.0.0.1" } }, "allow.1.ip_blocks.1: expected an address" },
      { { ip_blocks = { "10.0.0.0/08" } }, "allow.1.ip_blocks.1: expected an address" },
      { { ip_blocks = { "fe80::%eth0/10" } }, "allow.1.ip_blocks.1: expected an address" },
      { { trust_domains = { "a*b" } }, "allow.1.trust_domains.1: expected at most one *" },
      { { trust_domains = { "*a*" } }, "allow.1.trust_domains.1: expected at most one *" },
      { { not_trust_domains = { "td/ns" } }, "allow.1.not_trust_domains.1: a trust domain has no '/'" },
      { { when = { { key = "source.trustDomain", values = { "a*b" } } } }, "allow.1.when.1.values.1: expected at" },
      { { service_accounts = { "sleep" } }, "allow.1.service_accounts.1: expected namespace/account" },
      { { metods = { "GET" } }, "allow.1.metods: unknown key" },
    }
    for _, case in ipairs(cases) do
      it(case[2], function() assert.truthy(first_mistake(case[1]):find(case[2], 1, true), first_mistake(case[1])) end)
    end
  end)

  it("agrees with a plain reading of the rules on many requests", function()
    local methods, users, paths = { "GET", "PUT", "DELETE" }, { "amy", "bob", "zoe" }, { "/a", "/a/b", "/c" }
    local allow = {}
    for i = 1, 60 do
      allow[i] = {
        methods = i % 2 == 0 and { methods[i % 3 + 1] } or nil,
        paths = i % 3 == 0 and { paths[i % 2 + 1] .. "*" } or nil,
        headers = i % 5 > 0 and { ["x-user"] = users[i % 3 + 1] .. (i % 7) } or { ["x-team"] = "t" .. i },
        not_methods = i % 4 == 0 and { "PUT" } or nil,
      }
    end
    local function reading(rule, r)
      local header = rule.headers["x-user"] and rule.headers["x-user"] == r.headers["x-user"]
        or rule.headers["x-team"] and rule.headers["x-team"] == r.headers["x-team"]
      return header and (not rule.methods or rule.methods[1] == r.method)
        and (not rule.not_methods or r.method ~= "PUT")
        and (not rule.paths or r.path:sub(1, #rule.paths[1] - 1) == rule.paths[1]:sub(1, -2))
    end
    local conf, passed = fake.conf(rbac, { allow = allow }), 0
    for i = 0, 999 do
      local given = { method = methods[i % 3 + 1], path = paths[math.floor(i / 3) % 3 + 1],
                      headers = { ["x-user"] = users[math.floor(i / 9) % 3 + 1] .. (i % 7),
                                  ["x-team"] = "t" .. i % 70 } }
      local expected = false
      for _, rule in ipairs(allow) do expected = expected or reading(rule, given) end
      passed = passed + (expected and 1 or 0)
      assert.equal(expected, rbac.request(conf, fake.new(given)) == nil)
    end
    assert.is_true(passed > 100 and passed < 900)
  end)
end)
