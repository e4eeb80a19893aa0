--- Tokens that npm's jose has made, and keys from a server that changes them, leaves, dawdles or talks nonsense.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local mesh = require "spec.support.mesh"
local stream = require "spec.support.stream"
local tokens = require "spec.support.tokens"
local upstream = require "spec.support.upstream"

local why, made = tokens.lacking(), nil

local CONFIG = [[
local function place(path, rule)
  rule.issuer, rule.audiences = "https://idp.example", { "shop" }
  return { match = { path = { prefix = path } }, backends = { { service = "echo" } }, policies = {
    { "jwt", required = true, rules = { rule } } } }
end
return {
  listeners = { web = { address = "127.0.0.1:$web" } },
  admin = { address = "127.0.0.1:$admin" },
  services = { echo = { endpoints = { { address = "$echo" } } }, keys = { endpoints = { { address = "$keys" } } } },
  routes = {
    place("/public", { jwks = [=[$public]=] }),
    place("/shared", { jwks = [=[$shared]=] }),
    place("/both", { jwks_file = "$file" }),
    place("/url", { jwks_url = "http://$keys/url?a=b", refresh = "1s", refetch = "100ms", timeout = "500ms" }),
    place("/service", { jwks_service = { service = "keys", path = "/service" }, refresh = "1h", refetch = "1h" }),
    place("/slow", { jwks_url = "http://$keys/slow", timeout = "300ms" }),
    { match = { path = { prefix = "/issuer" } }, backends = { { service = "echo" } }, policies = {
      { "jwt", required = true, rules = { { issuer = "http://$keys" } } } } },
    place("/garbage", { jwks_url = "http://$keys/garbage" }),
  },
}]]

if why then
  describe("policy jwt", function() pending("asks for tokens of jose: " .. why) end)
  return
end

describe("policy jwt", function()
  local gw, echo, keys, answers

  local function fetched(path)
    local count = 0
    for _, request in ipairs(keys.requests) do count = count + (request.target == path and 1 or 0) end
    return count
  end

  setup(function()
    echo = upstream.start()
    answers = { ["/url?a=b"] = function() return { body = made.sets.public } end,
      ["/service"] = function() return { body = made.sets.public } end,
      ["/slow"] = function()
        loop.sleep(2)
        return { body = made.sets.public }
      end,
      ["/found"] = function() return { body = made.sets.public } end,
      ["/.well-known/openid-configuration"] = function()
        return { body = ('{"issuer":"http://%s","jwks_uri":"http://%s/found"}'):format(keys.address, keys.address) }
      end,
      ["/garbage"] = function() return { body = "<html>" } end }
    keys = upstream.start(function(request) return answers[request.target](request) end)
    made = tokens.make("http://" .. keys.address)
    local file = gateway.write(gateway.folder() .. "/keys.json", made.sets.both)
    gw = gateway.start { config = CONFIG, values = { echo = echo.address, keys = keys.address, file = file,
      public = made.sets.public, shared = made.sets.shared } }
  end)

  teardown(gateway.stop_all)

  local function ask(path, name)
    return assert(gw:ask { path = path, headers = { authorization = "Bearer " .. assert(made.tokens[name], name) } })
  end

  for _, alg in ipairs { "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512" } do
    it("takes " .. alg .. ", with and without a name for its key", function()
      for _, name in ipairs { alg, alg .. " without kid", alg } do
        assert.equal(200, ask("/public", name).status)
        assert.equal(200, ask("/both", name).status)
      end
      assert.equal(401, ask("/shared", alg).status)
    end)
  end

  for _, alg in ipairs { "HS256", "HS384", "HS512" } do
    it("takes " .. alg .. " where there is a shared key", function()
      assert.equal(200, ask("/shared", alg).status)
      assert.equal(200, ask("/both", alg).status)
      assert.equal(401, ask("/public", alg).status)
    end)
  end

  it("says why it refuses a token", function()
    local function reason(name)
      local response = ask("/public", name)
      return { response.status, response.body }
    end
    assert.same({ 401, "Jwt is expired" }, reason "expired")
    assert.same({ 401, "Jwt not yet valid" }, reason "not yet")
    assert.same({ 403, "Audiences in Jwt are not allowed" }, reason "another audience")
    assert.same({ 401, "Jwt issuer is not configured" }, reason "another issuer")
    assert.same({ 401, "Jwt header [alg] is not supported" }, reason "alg none, signed")
    assert.same({ 401, "Jwt verification fails" }, reason "another key")
    assert.same({ 401, "Jwks doesn't have key to match kid or alg from Jwt" }, reason "next")
    local response = ask("/public", "expired")
    assert.matches('^Bearer realm="http://a.test/public", error="invalid_token"$', response.headers["www-authenticate"])
  end)

  it("takes none of the tokens that are made to deceive", function()
    local tried = 0
    for name in pairs(made.tokens) do
      if name:find "[a-z]" and not name:find "without kid$" or name:find "^confusion" then
        tried = tried + 1
        local before = #echo.requests
        for _, path in ipairs { "/public", "/both" } do
          local status = ask(path, name).status
          assert.is_true(status == 401 or name == "another audience" and status == 403, name .. " at " .. path)
        end
        assert.equal(before, #echo.requests)
      end
    end
    assert.is_true(tried > 35)
  end)

  it("keeps the token from the service, and lets requests without one go nowhere", function()
    assert.equal(200, ask("/public", "RS256").status)
    assert.is_nil(echo:last().headers.authorization)
    assert.equal(401, assert(gw:ask { path = "/public" }).status)
  end)

  it("fetches keys once, however many ask", function()
    for _ = 1, 5 do assert.equal(200, ask("/service", "RS256").status) end
    assert.equal(1, fetched "/service")
  end)

  it("stands clients that leave while their tokens are checked, and many at a time", function()
    -- One that no key has signed is checked each time.
    local token = made.tokens.ES384:gsub("%.([^.])([^.]*)$", function(first, rest)
      return "." .. (first == "A" and "B" or "A") .. rest
    end)
    local request = { path = "/public", headers = { authorization = "Bearer " .. token } }
    for _ = 1, 100 do
      local conn = stream.connect(gw.ports.web)
      conn:send(http.format(request))
      conn:close()
    end
    local asks = {}
    for i = 1, 100 do asks[i] = function() return assert(gw:ask(request)).status end end
    for _, status in ipairs(loop.all(unpack(asks))) do assert.equal(401, status) end
    assert.equal(200, ask("/public", "ES512").status)
  end)

  it("finds the keys of an issuer by its OpenID Connect document", function()
    assert.equal(200, ask("/issuer", "of the issuer").status)
    assert.equal(401, ask("/issuer", "RS256").status)
    assert.equal(1, fetched "/.well-known/openid-configuration")
  end)

  it("has the keys fetched again for a key that is new, no more than once in a while", function()
    for _ = 1, 5 do assert.equal(401, ask("/service", "next").status) end
    assert.equal(2, fetched "/service")
  end)

  it("follows keys that change", function()
    assert.equal(200, ask("/url", "RS256").status)
    answers["/url?a=b"] = function() return { body = made.sets.next } end
    assert.is_truthy(loop.poll(function() return ask("/url", "next").status == 200 or nil end, 10))
    assert.is_truthy(loop.poll(function() return ask("/url", "RS256").status == 401 or nil end, 10))
  end)

  it("goes on with the last good keys when their server fails, and after a reload", function()
    local failed = { outcome = "failed" }
    local before = gw:metric("moongate_jwks_fetches_total", failed)
    answers["/url?a=b"] = function() return { status = 500, body = made.sets.public } end
    assert.is_truthy(loop.poll(function()
      return gw:metric("moongate_jwks_fetches_total", failed) > before or nil
    end, 70))
    assert.equal(200, ask("/url", "next").status)
    assert.equal(401, ask("/url", "RS256").status)
    gw:signal(1)
    assert.is_truthy(gw:logged "reloaded")
    assert.equal(200, ask("/url", "next").status)
  end)

  it("waits for a server that dawdles no longer than it may, and for nonsense not at all", function()
    for _, path in ipairs { "/slow", "/garbage" } do
      local response = ask(path, "RS256")
      assert.same({ 401, "Jwks remote fetch is failed" }, { response.status, response.body })
      assert.equal(200, ask("/public", "RS256").status)
    end
    assert.is_truthy(gw:log():find("jwks: not fetched", 1, true))
  end)
end)

local MESH = mesh.service("shop", "{clusterIP: 127.0.0.1, selector: {app: shop}, ports: [{name: http, port: $web}]}")
  .. mesh.workload "shop" .. mesh.endpoint("shop", "$echo") .. [[
apiVersion: v1
kind: Service
metadata: {name: keys, namespace: idp}
spec: {clusterIP: 127.0.0.2, ports: [{name: http, port: $inner}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: keys-1, namespace: idp, labels: {kubernetes.io/service-name: keys}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: $keys}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  jwtRules:
  - issuer: https://idp.example
    audiences: [shop]
    jwksUri: http://keys.idp.svc.cluster.local:$inner/jwks
    outputClaimToHeaders: [{header: x-user, claim: sub}]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: known}
spec: {rules: [{from: [{source: {requestPrincipals: ["https://idp.example/ada"]}}]}]}
]]

describe("RequestAuthentication", function()
  local gw, echo, keys, made_now

  setup(function()
    echo = upstream.start()
    keys = upstream.start(function() return { body = made_now.sets.public } end)
    made_now = tokens.make("http://" .. keys.address)
    gw = gateway.start_mesh { config = MESH, values = { echo = echo.port, keys = keys.port } }
  end)

  teardown(gateway.stop_all)

  it("tells policies who asks, by keys that a Service of the files gives", function()
    local function ask(name)
      return assert(gw:ask { headers = { ["x-user"] = "root",
        authorization = name and "Bearer " .. made_now.tokens[name] } })
    end
    assert.equal(200, ask("RS256").status)
    assert.same({ "ada" }, { echo:last().headers["x-user"] })
    assert.same({ 403, "RBAC: access denied" }, { ask(nil).status, ask(nil).body })
    assert.same({ 401, "Jwt is expired" }, { ask("expired").status, ask("expired").body })
    assert.equal(403, ask("another audience").status)
    assert.equal(401, ask("another key").status)
    assert.equal(1, #echo.requests)
    assert.equal("/jwks", keys:last().target)
  end)
end)
