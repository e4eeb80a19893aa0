--- Policy ext_authz against a service that allows, refuses, is slow, is gone and talks nonsense.
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local mesh = require "spec.support.mesh"
local net = require "spec.support.net"
local upstream = require "spec.support.upstream"

describe("policy ext_authz on real sockets", function()
  local gw, main, authz, gone

  setup(function()
    main, authz, gone = upstream.start(), upstream.start(), "http://127.0.0.1:" .. net.free_port()
    gw = gateway.start { values = { main = main.address, authz = authz.address, gone = gone }, config = [[
      local function ask(path, settings, more)
        settings[1] = "ext_authz"
        settings.timeout = settings.timeout or "10s"
        return { match = { path = { prefix = path } }, backends = { { service = "main" } },
          policies = { settings, more }, retries = { attempts = 1, on = { "connect-failure" } } }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web" } },
        admin = { address = "127.0.0.1:$admin" },
        services = { main = { endpoints = { { address = "$main" } } },
          authz = { endpoints = { { address = "$authz" } } } },
        policies = { { "access_log", format = "%REQ(:PATH)% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%" } },
        routes = {
          ask("/plain", { service = "authz", path_prefix = "/check", request_headers = { "x-*" },
            add_headers = { ["x-from"] = "gateway" }, upstream_headers = { "x-user" },
            allow_headers = { "x-seen" } }, { "rbac", deny = { { headers = { ["x-user"] = "mallory" } } } }),
          ask("/url", { url = "http://$authz" }),
          ask("/body", { service = "authz", body = { limit = 10 } }),
          ask("/part", { service = "authz", body = { limit = 10, allow_partial = true },
            request_headers = { "x-envoy-auth-partial-body" } }),
          ask("/slow", { service = "authz", timeout = "100ms", status_on_error = 503 }),
          ask("/gone", { url = "$gone" }),
          ask("/open", { url = "$gone", fail_open = true }),
          ask("/long", { service = "authz", answer_limit = 10 }),
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  before_each(function() main.requests, authz.requests, authz.answer, main.answer = {}, {}, nil, nil end)

  it("lets a request pass, with what the service says about it", function()
    authz.answer = function() return { headers = { ["X-User"] = "ada", ["X-Seen"] = "yes", ["X-More"] = "1" } } end
    local response = assert(gw:ask { method = "DELETE", path = "/plain/a?q=1", host = "shop.test",
      headers = { authorization = "Bearer t", cookie = "c=1", ["x-user"] = "eve", ["x-from"] = "client" } })
    assert.same({ 200, "ok", "yes" }, { response.status, response.body, response.headers["x-seen"] })
    local asked, got = authz:last(), main:last()
    assert.same({ "DELETE", "/check/plain/a?q=1", "shop.test", "Bearer t", "eve", "gateway" }, { asked.method,
      asked.target, asked.headers.host, asked.headers.authorization, asked.headers["x-user"], asked.headers["x-from"] })
    assert.is_nil(asked.headers.cookie)
    assert.same({ "/plain/a?q=1", "ada", "client" },
      { got.target, got.headers["x-user"], got.headers["x-from"] })
    assert.is_nil(got.headers["x-more"])
    assert.is_nil(response.headers["x-more"])
  end)

  it("bypasses no policy below", function()
    authz.answer = function() return { headers = { ["x-user"] = "mallory" } } end
    local response = assert(gw:ask { path = "/plain" })
    assert.same({ 403, "RBAC: access denied", 0 }, { response.status, response.body, #main.requests })
  end)

  it("passes a refusal on, and says so", function()
    authz.answer = function()
      return { status = 401, headers = { ["WWW-Authenticate"] = "Basic", ["Set-Cookie"] = { "a=1", "b=2" },
        ["Content-Type"] = "application/json", Connection = "keep-alive" }, body = '{"why":"no"}' }
    end
    local response = assert(gw:ask { path = "/url/x?y" })
    assert.same({ 401, '{"why":"no"}', "Basic", "application/json" }, { response.status, response.body,
      response.headers["www-authenticate"], response.headers["content-type"] })
    assert.same({ "/url/x?y", 0 }, { authz:last().target, #main.requests })
    assert.equal(" UAEX ext_authz_denied", gw:logged "/url/x?y")
    response = assert(gw:ask { path = "/url", headers = { ["content-type"] = "application/grpc" }, method = "POST",
      body = "" })
    assert.same({ 200, "16" }, { response.status, response.headers["grpc-status"] })
  end)

  it("sends bodies, and forwards them after", function()
    local seen
    authz.answer = function(request)
      seen = request:read().body
      return {}
    end
    main.answer = function(request) return { body = request:read().body } end
    assert.equal("0123456789", assert(gw:ask { method = "POST", path = "/body", body = "0123456789" }).body)
    assert.equal("0123456789", seen)
    assert.equal(413, assert(gw:ask { method = "POST", path = "/body", body = "0123456789a" }).status)
    local long = ("0123456789"):rep(50000)
    assert.equal(long, assert(gw:ask { method = "POST", path = "/part", body = long }).body)
    assert.same({ "0123456789", "true" }, { seen, authz:last().headers["x-envoy-auth-partial-body"] })
    assert.equal("short", assert(gw:ask { method = "POST", path = "/part", body = "short" }).body)
    assert.same({ "short", "false" }, { seen, authz:last().headers["x-envoy-auth-partial-body"] })
  end)

  it("is what CUSTOM means, in a mesh's words", function()
    local text = mesh.config [[
extensionProviders:
- name: ask
  envoyExtAuthzHttp: {service: default/authz.default.svc.cluster.local, port: 80, pathPrefix: /check}
]] .. mesh.service("authz", "{ports: [{name: http, port: 80}]}") .. mesh.endpoint("authz", "$authz")
      .. mesh.service("shop", "{clusterIP: 127.0.0.1, selector: {app: shop}, ports: [{name: http, port: $web}]}")
      .. mesh.workload "shop"
      .. mesh.object("security.istio.io/v1", "AuthorizationPolicy", "ask",
        '{action: CUSTOM, provider: {name: ask}, rules: [{to: [{operation: {paths: ["/ask*"]}}]}]}')
      .. mesh.object("security.istio.io/v1", "AuthorizationPolicy", "no-put",
        "{action: DENY, rules: [{to: [{operation: {methods: [PUT]}}]}]}")
    local shop = gateway.start_mesh { values = { authz = authz.port }, config = text }
    authz.answer = function() return { status = 302, headers = { Location = "/login" } } end
    local response = assert(shop:ask { path = "/ask/1" })
    assert.same({ 302, "/login", "/check/ask/1" }, { response.status, response.headers.location, authz:last().target })
    assert.equal(503, assert(shop:ask { path = "/other" }).status) -- nobody serves the shop
    authz.answer = nil
    assert.equal(503, assert(shop:ask { path = "/ask" }).status)
    assert.equal(403, assert(shop:ask { method = "PUT", path = "/ask" }).status)
  end)

  it("refuses when the service is late, gone, broken or talks nonsense", function()
    authz.answer = function()
      loop.sleep(0.5)
      return {}
    end
    local response = assert(gw:ask { path = "/slow/1" })
    assert.same({ 503, "" }, { response.status, response.body })
    assert.equal(" UAEX ext_authz_error", gw:logged "/slow/1")
    assert.equal(403, assert(gw:ask { path = "/gone" }).status)
    assert.equal(200, assert(gw:ask { path = "/open" }).status)
    authz.answer = function() return { status = 500, body = "secret" } end
    response = assert(gw:ask { path = "/url" })
    assert.same({ 403, "" }, { response.status, response.body })
    authz.answer = function() return { body = ("x"):rep(11) } end
    assert.equal(403, assert(gw:ask { path = "/long" }).status)
    for _, nonsense in ipairs { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "hello\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ncut" } do
      authz.answer = function(request)
        request.stream:send(nonsense)
        return nil
      end
      assert.equal(403, assert(gw:ask { path = "/url" }).status)
    end
    assert.equal(1, #main.requests)
    assert.equal(1, gw:metric("moongate_ext_authz_total", { service = gone,
      outcome = "failed_open" }))
  end)
end)
