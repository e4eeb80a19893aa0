local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local upstream = require "spec.support.upstream"

describe("forwarding", function()
  local gw, up

  setup(function()
    up = upstream.start()
    gw = gateway.start { values = { up = up.address }, config = [[
      return {
        listeners = {
          edge = { address = "127.0.0.1:$edge" },
          behind = { address = "127.0.0.1:$behind", trusted_hops = 1, trust_request_id = true },
          inner = { address = "127.0.0.1:$inner", append_forwarded_for = false },
        },
        services = { up = { endpoints = { { address = "$up" } } } },
        routes = { { backends = { { service = "up" } }, policies = {
          { "headers", response = { set = { ["x-client"] = "%CLIENT_ADDRESS%" } } } } } },
      }]] }
  end)

  teardown(gateway.stop_all)

  -- The request as the upstream saw it.
  local function seen(listener, headers, path)
    local response = assert(http.ask(gw.ports[listener], { headers = headers, path = path }))
    assert.equal(200, response.status)
    return up:last()
  end

  it("adds X-Forwarded-For, X-Forwarded-Proto and X-Request-Id", function()
    local request = seen "edge"
    assert.equal("127.0.0.1", request.headers["x-forwarded-for"])
    assert.equal("http", request.headers["x-forwarded-proto"])
    assert.truthy(request.headers["x-request-id"]:find "^%x+%-%x+%-4%x+%-[89ab]%x+%-%x+$")
  end)

  it("appends to X-Forwarded-For and joins several fields of it", function()
    local request = seen("edge", { ["X-Forwarded-For"] = { "192.0.2.1", "192.0.2.2, 192.0.2.3" } })
    assert.same({ "192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1" }, http.all(request, "x-forwarded-for"))
  end)

  it("passes X-Forwarded-For on as it came on an inner hop", function()
    assert.same({ "192.0.2.1" }, http.all(seen("inner", { ["X-Forwarded-For"] = "192.0.2.1" }), "x-forwarded-for"))
    assert.same({}, http.all(seen "inner", "x-forwarded-for"))
  end)

  it("believes X-Forwarded-Proto and X-Request-Id only of trusted clients", function()
    local sent = { ["X-Forwarded-Proto"] = "https", ["X-Request-Id"] = "mine" }
    local at_edge, behind = seen("edge", sent), seen("behind", sent)
    assert.same({ "http" }, http.all(at_edge, "x-forwarded-proto"))
    assert.not_equal("mine", at_edge.headers["x-request-id"])
    assert.equal(1, #http.all(at_edge, "x-request-id"))
    assert.same({ "https" }, http.all(behind, "x-forwarded-proto"))
    assert.same({ "mine" }, http.all(behind, "x-request-id"))
  end)

  it("gives every request an id of its own", function()
    assert.not_equal(seen("edge").headers["x-request-id"], seen("edge").headers["x-request-id"])
  end)

  it("strips X-Forwarded-Client-Cert of a client in clear text", function()
    for _, listener in ipairs { "edge", "behind", "inner" } do
      assert.same({}, http.all(seen(listener, { ["X-Forwarded-Client-Cert"] = "URI=spiffe://x/ns/a/sa/b" }),
        "x-forwarded-client-cert"))
    end
  end)

  it("removes hop-by-hop fields and those that Connection names, from requests", function()
    local request = seen("edge", { Connection = "keep-alive, X-Private", ["Keep-Alive"] = "timeout=5",
      ["Proxy-Connection"] = "keep-alive", TE = "trailers, gzip", ["X-Private"] = "secret", ["X-Public"] = "1" })
    for _, name in ipairs { "keep-alive", "proxy-connection", "x-private" } do
      assert.same({}, http.all(request, name))
    end
    assert.is_nil((request.headers.te or ""):find "gzip")
    assert.same({ "1" }, http.all(request, "x-public"))
  end)

  it("removes them from answers too, and keeps every Set-Cookie by itself", function()
    up.answer = function(request)
      request:read()
      return { headers = { Connection = "keep-alive, X-Private", ["X-Private"] = "secret", ["Keep-Alive"] = "timeout=5",
        ["Set-Cookie"] = { "a=1; Path=/", "b=2, c" } }, body = "x" }
    end
    local response = http.get(gw.ports.edge, "/")
    assert.same({}, http.all(response, "x-private"))
    assert.same({}, http.all(response, "keep-alive"))
    assert.same({ "a=1; Path=/", "b=2, c" }, http.all(response, "set-cookie"))
  end)

  it("rewrites an absolute-form target and takes its host", function()
    local request = seen("edge", nil, "http://inside.test:81/a/b?c")
    assert.equal("/a/b?c", request.target)
    assert.same({ "inside.test:81" }, http.all(request, "host"))
  end)

  it("forwards OPTIONS * as it is", function()
    local response = assert(http.ask(gw.ports.edge, { method = "OPTIONS", path = "*" }))
    assert.equal(200, response.status)
    assert.equal("OPTIONS", up:last().method)
    assert.equal("*", up:last().target)
  end)
end)
