--- Routes that ask for claims of a token, which the listener's own policies check before there is a route.
local gateway = require "spec.support.gateway"
local mesh = require "spec.support.mesh"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local KEYS = '{"keys":[{"kty":"oct","alg":"HS256","k":"bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSBvZiBvbmU"}]}'

local function token(name) return (process.read("examples/jwt-token " .. name .. " 4102444800"):gsub("%s", "")) end

describe("routes by claims", function()
  local gw, ada

  setup(function() ada = { authorization = "Bearer " .. token "ada" } end)

  after_each(gateway.stop_all)

  it("of a config in Lua", function()
    gw = gateway.start { values = { keys = KEYS }, config = [=[
      return {
        listeners = {
          web = { address = "127.0.0.1:$web", policies = { { "jwt", rules = { { issuer = "https://idp.example",
            jwks = [[$keys]] } } } } },
          side = { address = "127.0.0.1:$side" },
        },
        routes = {
          { name = "ada", match = { claims = { { path = { "sub" }, regex = "a.a" } } },
            policies = { { "respond", body = "ada" } } },
          { name = "rest", policies = { { "respond", body = "rest" } } },
        },
      }]=] }
    local function body(headers, name) return gw:ask({ headers = headers }, name).body end
    assert.equal("ada", body(ada))
    assert.equal("rest", body { authorization = "Bearer " .. token "bob" })
    assert.equal("rest", body())
    assert.equal("rest", body(ada, "side")) -- nobody has checked it there
    assert.equal(401, gw:ask({ headers = { authorization = "Bearer x" } }).status)
    assert.equal("ada", body(ada)) -- and nothing stays from one request to the next
    assert.equal("rest", body())
    local _, text = gateway.run("explain", gw.path, "--listener", "web")
    assert.truthy(text:find('claim sub: wanted regex "a.a", found none', 1, true), text)
    _, text = gateway.run("config", gw.path)
    assert.truthy(text:find('policies = {%s*{[^\n]*%s*"jwt",'), text)
  end)

  it("and rules on them see what policy jwt has verified, whatever others do to it", function()
    gw = gateway.start { values = { keys = KEYS }, args = { "--policy-path", "$folder" },
      files = {
        ["meddles.lua"] = [[
          return { request = function(_, ctx)
            local seen = ctx.shared.jwt
            if not seen then
              ctx.shared.jwt = { iss = "https://idp.example", sub = "root", claims = { sub = "root" } }
              return
            end
            ctx.shared.mine = seen.sub
            seen.sub, seen.claims.sub = "root", "root"
            if ctx.req.path == "/new" then ctx.shared.jwt = { iss = "https://idp.example", sub = "root" } end
            local mt = getmetatable(ctx.shared)
            if type(mt) == "table" then mt.__index = nil end
          end }]],
        ["tells.lua"] = [[
          return { request = function(_, ctx)
            local jwt = ctx.shared.jwt
            return ctx:respond(200, (ctx.shared.mine or "-") .. " " .. (jwt and jwt.sub or "-"))
          end }]],
      }, config = [=[
      local jwt = { "jwt", rules = { { issuer = "https://idp.example", jwks = [[$keys]] } } }
      local rbac = { "rbac", allow = { { request_principals = { "*/root" } } } }
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        routes = {
          { match = { path = { exact = "/shadow" } },
            policies = { jwt, { "meddles", shadow = true }, "tells" } },
          { match = { path = { exact = "/read" } }, policies = { jwt, "tells" } },
          { match = { path = { exact = "/lax" } }, policies = { jwt, "meddles", "tells" } },
          { policies = { jwt, "meddles", rbac, "tells" } },
        },
      }]=] }
    local function ask(path, headers)
      local answer = gw:ask { path = path, headers = headers }
      return answer.status == 200 and answer.body or answer.status
    end
    for _ = 1, 2 do -- nothing stays from one request to the next with this token
      assert.same({ "- ada", "ada root", "- ada" }, { ask("/read", ada), ask("/lax", ada), ask("/shadow", ada) })
      assert.same({ 403, 403 }, { ask("/", ada), ask("/new", ada) })
    end
    assert.equal("- root", ask("/")) -- where jwt found none, another policy may say who it is
    assert.equal("- -", ask "/read")
  end)

  it("of a VirtualService at a gateway", function()
    local up = upstream.start(function(request)
      request:read()
      return { body = request.headers["x-route"] or "none" }
    end)
    gw = gateway.start { name = "mesh.yaml", values = { keys = KEYS, up = up.port },
      config = mesh.service("shop", "{clusterIP: 127.0.0.1, ports: [{name: http, port: $mesh}]}")
        .. mesh.endpoint("shop", "$up") .. [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress}
spec: {selector: {}, template: {metadata: {labels: {istio: ingress}}}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  selector: {istio: ingress}
  servers: [{port: {number: $web, name: http, protocol: HTTP}, hosts: ["*"], bind: 127.0.0.1}]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: idp}
spec:
  selector: {matchLabels: {istio: ingress}}
  jwtRules: [{issuer: "https://idp.example", jwks: '$keys'}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: ["*"]
  gateways: [gw]
  http:
  - match: [{headers: {"@request.auth.claims.sub": {exact: ada}}}]
    headers: {request: {set: {x-route: ada}}}
    route: [{destination: {host: shop, port: {number: $mesh}}}]
  - match: [{withoutHeaders: {"@request.auth.claims[sub]": {}}}]
    headers: {request: {set: {x-route: nobody}}}
    route: [{destination: {host: shop, port: {number: $mesh}}}]
]] }
    assert.equal("ada", gw:ask({ headers = ada }).body)
    assert.equal("nobody", gw:ask({}).body)
    assert.equal(404, gw:ask({ headers = { authorization = "Bearer " .. token "bob" } }).status)
    assert.equal(401, gw:ask({ headers = { authorization = "Bearer x" } }).status)
  end)
end)
