local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

describe("stock policies", function()
  local gw, up, other

  setup(function()
    up, other = upstream.start(), upstream.start(function(request)
      request:read()
      return { body = "other" }
    end)
    gw = gateway.start { values = { up = up.address, other = other.address }, config = [[
      local function route(host, ...)
        return { name = host, hosts = { host }, policies = { ... }, backends = { { service = "up" } } }
      end
      return {
        listeners = { web = { address = "127.0.0.1:$web", trust_request_id = true } },
        admin = { address = "127.0.0.1:$admin" },
        services = { up = { endpoints = { { address = "$up" } } }, other = { endpoints = { { address = "$other" } } } },
        policies = { "metrics", { "access_log", path = "stdout" } },
        routes = {
          route("rbac.test", { "rbac", allow = { { methods = { "GET" }, paths = { "/open/*" } },
            { when = { { key = "request.headers[x-role]", values = { "admin" } } } } },
            deny = { { ip_blocks = { "127.0.0.0/8" }, paths = { "/open/secret" } } } }),
          route("slow.test", { "fault", delay = { fixed = "600ms" } }),
          route("quick.test"),
          route("abort.test", { "fault", abort = { status = 418 } }),
          route("never.test", { "fault", abort = { status = 418, percent = 0 } }),
          route("both.test", { "fault", delay = { fixed = "150ms" }, abort = { status = 500 } }),
          route("all.test", { "canary", service = "other", percent = 100 }),
          route("none.test", { "canary", service = "other", percent = 0 }),
          route("sticky.test", { "canary", service = "other", percent = 50, cookie = "user" }),
          route("headers.test", { "headers",
            request = { remove = { "x-secret" }, set = { ["x-set"] = "new", host = "inside.test" },
              add = { ["x-add"] = { "1", "2" } } },
            response = { remove = { "x-powered" }, set = { ["x-answer"] = "yes" } } }),
          route("respond.test", { "respond", status = 202, body = "here", headers = { ["x-a"] = { "1", "2" } } }),
          route("moved.test", { "respond", status = 301, headers = { location = "https://new.test/" } }),
          route("rewrite.test", { "rewrite", prefix = { from = "/shop", to = "/" }, host = "inner.test:81" }),
          route("id.test", { "request_id", keep = true }),
          route("order.test", { "headers", response = { add = { ["x-order"] = "outer" } } },
            { "respond", status = 200, headers = { ["x-order"] = "answer" } },
            { "headers", response = { add = { ["x-order"] = "never" } } }),
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function ask(host, request)
    request = request or {}
    request.host = host
    return assert(gw:ask(request))
  end

  describe("rbac", function()
    it("lets pass what a rule allows", function()
      assert.equal(200, ask("rbac.test", { path = "/open/a?q" }).status)
      local admin = { path = "/x", method = "POST", body = "", headers = { ["X-Role"] = "admin" } }
      assert.equal(200, ask("rbac.test", admin).status)
    end)

    it("answers 403 to all else, and nothing reaches the backend", function()
      local before = #up.requests
      for _, request in ipairs { { path = "/" }, { path = "/open/a", method = "DELETE" }, { path = "/open/secret" },
        { path = "/x", headers = { ["X-Role"] = "user" } },
        { path = "/open/secret", headers = { ["X-Role"] = "admin" } } } do
        local response = ask("rbac.test", request)
        assert.equal(403, response.status)
        assert.equal("RBAC: access denied", response.body)
        assert.equal("text/plain", response.headers["content-type"])
      end
      assert.equal(before, #up.requests)
    end)
  end)

  describe("fault", function()
    it("delays a request, and no other beside it", function()
      local began = loop.now()
      local quick = {}
      loop.all(function()
        assert.equal(200, ask("slow.test").status)
        quick.slow = loop.now() - began
      end, function()
        for _ = 1, 20 do assert.equal(200, ask("quick.test").status) end
        quick.all = loop.now() - began
      end)
      assert.is_true(quick.slow >= 0.6)
      assert.is_true(quick.all < quick.slow)
    end)

    it("aborts with its status and Envoy's text", function()
      local response = ask "abort.test"
      assert.equal(418, response.status)
      assert.equal("fault filter abort", response.body)
      assert.equal(200, ask("never.test").status)
    end)

    it("delays and then aborts, and both show in the log", function()
      local began = loop.now()
      assert.equal(500, ask("both.test", { path = "/both" }).status)
      assert.is_true(loop.now() - began >= 0.15)
      assert.truthy(gw:logged '"path":"/both"':find('"flags":"DI,FI"', 1, true))
    end)
  end)

  describe("canary", function()
    it("sends all, or none", function()
      local response = ask "all.test"
      assert.equal("other", response.body)
      assert.equal("1", response.headers["x-canary"])
      response = ask "none.test"
      assert.equal("ok", response.body)
      assert.is_nil(response.headers["x-canary"])
    end)

    it("keeps a user on a side, and has users on both", function()
      local sides = {}
      for i = 1, 40 do
        local function side() return ask("sticky.test", { headers = { Cookie = "user=u" .. i } }).body end
        local first = side()
        sides[first] = true
        assert.equal(first, side())
      end
      assert.same({ ok = true, other = true }, sides)
    end)
  end)

  it("headers changes requests and answers", function()
    up.answer = function(request)
      request:read()
      return { headers = { ["X-Powered"] = "magic", ["X-Kept"] = "1" } }
    end
    local sent = { ["X-Secret"] = "1", ["X-Set"] = { "old", "older" }, ["X-Add"] = "0" }
    local response = ask("headers.test", { headers = sent })
    up.answer = nil
    local seen = up:last()
    assert.same({}, http.all(seen, "x-secret"))
    assert.same({ "new" }, http.all(seen, "x-set"))
    assert.same({ "0", "1", "2" }, http.all(seen, "x-add"))
    assert.same({ "inside.test" }, http.all(seen, "host"))
    assert.is_nil(response.headers["x-powered"])
    assert.equal("1", response.headers["x-kept"])
    assert.equal("yes", response.headers["x-answer"])
  end)

  it("respond answers for itself", function()
    local response = ask "respond.test"
    assert.equal(202, response.status)
    assert.equal("here", response.body)
    assert.same({ "1", "2" }, http.all(response, "x-a"))
    response = ask "moved.test"
    assert.equal(301, response.status)
    assert.equal("https://new.test/", response.headers.location)
    assert.equal("0", response.headers["content-length"])
    assert.equal("", ask("respond.test", { method = "HEAD" }).body)
  end)

  it("rewrite changes path and host, and keeps the query", function()
    ask("rewrite.test", { path = "/shop/cart?a=1" })
    assert.equal("/cart?a=1", up:last().target)
    assert.equal("inner.test:81", up:last().headers.host)
    ask("rewrite.test", { path = "/shopping" })
    assert.equal("/shopping", up:last().target)
  end)

  it("request_id passes an id on, both ways", function()
    local response = ask("id.test", { headers = { ["X-Request-Id"] = "abc" } })
    assert.equal("abc", response.headers["x-request-id"])
    assert.same({ "abc" }, http.all(up:last(), "x-request-id"))
    assert.equal(36, #ask("id.test").headers["x-request-id"])
  end)

  it("run in the order written, and answers back up the list", function()
    assert.same({ "answer", "outer" }, http.all(ask "order.test", "x-order"))
  end)

  it("access_log writes a line of JSON for each request", function()
    ask("quick.test", { path = '/log"\\x', method = "POST", body = "12345" })
    -- A quote is no character of a target, so that request was refused; this one is not.
    ask("quick.test", { path = "/log?x=1", method = "POST", body = "12345", headers = { ["User-Agent"] = 'a "b" \\' } })
    local line = gw:logged '"path":"/log?x=1"'
    assert.truthy(line:find('"status":200', 1, true))
    assert.truthy(line:find('"user_agent":"a \\"b\\" \\\\"', 1, true))
    assert.truthy(line:find('"route":"quick.test"', 1, true))
    assert.truthy(line:find('"backend":"up"', 1, true))
  end)

  it("metrics count by listener, route, backend, method and code", function()
    local labels = { listener = "web", route = "never.test", backend = "up", method = "PUT", code = "200" }
    for _ = 1, 3 do ask("never.test", { method = "PUT", body = "x" }) end
    assert.equal(3, gw:counts("moongate_requests_total", labels, 3))
    ask("abort.test", { method = "PATCH" })
    assert.equal(1, gw:counts("moongate_requests_total", { route = "abort.test", method = "PATCH", code = "418" }, 1))
    assert.equal(3, gw:metric("moongate_request_duration_seconds_count", { route = "never.test" })
      - gw:metric("moongate_requests_total", { route = "never.test", method = "GET" }))
  end)
end)
