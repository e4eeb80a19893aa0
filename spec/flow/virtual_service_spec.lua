--- A VirtualService at a waypoint, asked by real requests.
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local mesh = require "spec.support.mesh"
local upstream = require "spec.support.upstream"

local MESH = [[
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio.io/use-waypoint: wp}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
]] .. mesh.service("shop", "{clusterIP: 127.0.0.1, ports: [{name: http, port: $web}]}")
  .. mesh.service("shadow", "{clusterIP: 127.0.0.1, ports: [{name: http, port: $side}]}")
  .. mesh.endpoint("shop", "$up") .. mesh.endpoint("shadow", "$shadow") .. [[
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop]
  http:
  - match: [{uri: {regex: "/v[0-9]+/(a+)+"}, method: {regex: GET|HEAD}}]
    rewrite: {uriRegexRewrite: {match: "^/v([0-9]+)/", rewrite: '/version-\1/'}, authority: inner.test}
    headers: {request: {set: {x-from: "%REQ(:METHOD)% 100%%"}}, response: {remove: [x-secret], add: {x-by: route}}}
    route:
    - {destination: {host: shop}, headers: {response: {add: {x-by: destination}}}}
  - match: [{uri: {prefix: /moved}}]
    redirect: {uri: "%PREFIX()%/new", authority: new.test, redirectCode: 308}
  - match: [{uri: {exact: /teapot}}]
    directResponse: {status: 418, body: {string: short and stout}}
    headers: {response: {set: {x-tea: green}}}
  - match: [{uri: {prefix: /again}}]
    retries: {attempts: 3, retryOn: "503", backoff: 1ms}
    route: [{destination: {host: shop}}]
  - match: [{uri: {prefix: /copy}}]
    mirror: {host: shadow}
    route: [{destination: {host: shop}}]
  - match: [{uri: {prefix: /grpc-fault}}]
    fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}
    route: [{destination: {host: shop}}]
  - match: [{uri: {prefix: /browser}}]
    corsPolicy: {allowOrigins: [{regex: "https://[ab]\\.test"}], allowMethods: [PUT, GET], maxAge: 1m}
    route: [{destination: {host: shop}}]
  - match: [{uri: {prefix: /team}}]
    delegate: {name: team}
    timeout: 200ms
  - match: [{withoutHeaders: {x-token: {regex: ""}}}]
    route: [{destination: {host: shop}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: team}
spec:
  http:
  - match: [{uri: {prefix: /team/a}, queryParams: {q: {exact: ""}}}]
    route: [{destination: {host: shop}}]
]]

describe("a VirtualService", function()
  local gw, up, shadow

  setup(function()
    up, shadow = upstream.start(), upstream.start()
    gw = gateway.start_mesh { config = MESH, values = { up = up.port, shadow = shadow.port } }
  end)

  teardown(gateway.stop_all)

  before_each(function()
    up.requests, shadow.requests = {}, {}
    up.answer = function(request)
      request:read()
      return { headers = { ["x-secret"] = "s" }, body = request.target }
    end
  end)

  local function ask(path, headers, method)
    return assert(gw:ask { path = path, headers = headers, method = method, host = "shop.test" })
  end

  it("matches, rewrites and changes headers on both levels", function()
    local response = ask "/v12/aaa?q=1"
    local seen = up.requests[1]
    assert.equal("/version-12/aaa?q=1", response.body)
    assert.same({ "inner.test", "GET 100%", "/v12/aaa?q=1" },
      { seen.headers.host, seen.headers["x-from"], seen.headers["x-envoy-original-path"] })
    assert.is_nil(response.headers["x-secret"])
    assert.same({ "route", "destination" }, http.all(response, "x-by"))
    assert.equal(404, ask("/v12/" .. ("a"):rep(5000) .. "!").status) -- no pattern takes long to fail
  end)

  it("answers redirects and fixed answers", function()
    local moved, tea = ask "/moved/x?q=1", ask "/teapot"
    assert.same({ 308, "http://new.test/new/x?q=1" }, { moved.status, moved.headers.location })
    assert.same({ 418, "short and stout", "green" }, { tea.status, tea.body, tea.headers["x-tea"] })
    assert.equal(0, #up.requests)
  end)

  it("tries again as it says, and what a gRPC service did not begin without a word", function()
    local tries = 0
    up.answer = function(request)
      request:read()
      tries = tries + 1
      return tries < 3 and { status = 503 } or { body = "at last" }
    end
    assert.equal("at last", ask("/again").body)
    tries = 0
    up.answer = function(request)
      request:read()
      tries = tries + 1
      return { headers = tries == 1 and { ["grpc-status"] = "14" } or {}, body = "done" }
    end
    assert.equal("done", ask("/", { ["x-token"] = "t" }).body)
    assert.equal(2, tries)
  end)

  it("sends copies under another host", function()
    assert.equal(200, ask("/copy").status)
    local copy = assert(loop.poll(function() return shadow.requests[1] end, 5))
    assert.same({ "/copy", "shop.test-shadow" }, { copy.target, copy.headers.host })
  end)

  it("aborts with a gRPC status", function()
    local plain, grpc = ask "/grpc-fault", ask("/grpc-fault", { ["content-type"] = "application/grpc" }, "POST")
    assert.same({ 200, "14", "fault filter abort" }, { plain.status, plain.headers["grpc-status"], plain.body })
    assert.same({ 200, "14", "fault filter abort", "" },
      { grpc.status, grpc.headers["grpc-status"], grpc.headers["grpc-message"], grpc.body })
  end)

  it("answers a browser's preflight", function()
    local function preflight(origin)
      return ask("/browser", { origin = origin, ["access-control-request-method"] = "PUT" }, "OPTIONS")
    end
    local headers = preflight("https://a.test").headers
    assert.same({ "https://a.test", "PUT,GET", "60" }, { headers["access-control-allow-origin"],
      headers["access-control-allow-methods"], headers["access-control-max-age"] })
    assert.equal("/browser", preflight("https://c.test").body) -- it went on
  end)

  it("takes the routes of the one that it delegates to, with its own time limit", function()
    assert.equal("/team/a?q", ask("/team/a?q").body)
    up.answer = function(request)
      request:read()
      loop.sleep(2)
      return { body = "late" }
    end
    assert.equal(504, ask("/team/a?q").status)
  end)

  it("takes nothing that no match asks for", function()
    assert.equal(404, ask("/").status) -- a header that is not there counts as an empty one
    assert.equal(200, ask("/", { ["x-token"] = "t" }).status)
  end)
end)
