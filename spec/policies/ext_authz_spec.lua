require "spec.support.init"
local fake = require "spec.support.fake_ctx"

describe("policy ext_authz", function()
  local ext_authz, sent, answers, counted, warned, saved
  local NAMES = { "moongate.http", "moongate.log", "moongate.metrics", "policies.ext_authz" }

  -- What the policy requires of the gateway, for this spec alone: the service answers what the spec says.
  setup(function()
    saved = {}
    for _, name in ipairs(NAMES) do saved[name] = package.loaded[name] end
    package.loaded["moongate.http"] = { request = function(request)
      table.insert(sent, request)
      local answer = table.remove(answers, 1)
      if type(answer) == "string" then return nil, answer end
      return answer
    end }
    package.loaded["moongate.log"] = { warn = function(_, fields) table.insert(warned, fields.error) end }
    package.loaded["moongate.metrics"] = { counter = function()
      return { with = function(_, _, outcome)
        return { add = function(_, n) counted[outcome] = (counted[outcome] or 0) + n end }
      end }
    end }
    package.loaded["policies.ext_authz"] = nil
    ext_authz = require "policies.ext_authz"
  end)

  teardown(function()
    for _, name in ipairs(NAMES) do package.loaded[name] = saved[name] end
  end)

  before_each(function() sent, answers, counted, warned = {}, {}, {}, {} end)

  local function conf(settings)
    if not settings.url then settings.service = settings.service or "authz" end
    return fake.conf(ext_authz, settings)
  end

  local function says(status, fields, body)
    table.insert(answers, { status = status, headers = {}, fields = fields or {}, body = body or "" })
  end

  it("asks with method, host, path, query and Authorization, and no more", function()
    says(200)
    local ctx = fake.new { method = "PUT", path = "/a", query = "q=1", authority = "shop.example:81",
      headers = { authorization = "Bearer x", cookie = "c", ["x-user"] = "ada", host = "shop.example:81" } }
    assert.is_nil(ext_authz.request(conf {}, ctx))
    assert.same({ { service = "authz", method = "PUT", authority = "shop.example:81", path = "/a?q=1", timeout = 5000,
      limit = 65536, headers = { authorization = { "Bearer x" } } } }, sent)
    assert.same({ { allowed = 1 }, "-" }, { counted, ctx:flags_text() })
  end)

  it("sends the fields that are named, and those that are always sent", function()
    says(200)
    local ctx = fake.new { headers = { ["X-User"] = "ada", ["x-role"] = { "a", "b" }, ["old-id"] = "7", id = "8",
      connection = "x-user" } }
    ext_authz.request(conf { url = "http://authz.test:81", path_prefix = "/check",
      request_headers = { "x-*", "*-ID", "c*" }, add_headers = { ["X-Role"] = "fixed" } }, ctx)
    assert.equal("http://authz.test:81/check/", sent[1].url)
    assert.same({ ["x-user"] = { "ada" }, ["x-role"] = "fixed", ["old-id"] = { "7" } }, sent[1].headers)
    assert.is_nil(sent[1].path)
  end)

  it("asks for requests that its rules mean, by the port that is set", function()
    local settings = { port = 8080, rules = { { ports = { 8080 } } } }
    says(403)
    assert.equal(403, ext_authz.request(conf(settings), fake.new { port = 80 }).status)
    settings.port = 80
    assert.is_nil(ext_authz.request(conf(settings), fake.new { port = 8080 }))
  end)

  it("lets its answer change the request and add to the response", function()
    says(200, { { "x-user", "ada" }, { "x-user", "bob" }, { "x-other", "1" }, { "set-cookie", "a=1" },
      { "set-cookie", "b=2" }, { "content-length", "0" }, { "x-envoy-auth-headers-to-remove", "X-Secret, host" } })
    local ctx = fake.new { headers = { ["x-user"] = "evil", ["x-secret"] = "s", host = "h" },
      response_headers = { ["set-cookie"] = "z=0" } }
    local settings = conf { upstream_headers = { "X-User", "content-*" }, allow_headers = { "set-*" } }
    assert.is_nil(ext_authz.request(settings, ctx))
    assert.same({ { "bob" }, {}, "h" }, { ctx.req.headers:get_all "x-user", ctx.req.headers:get_all "x-secret",
      ctx.req.headers.host })
    assert.is_nil(ctx.req.headers["content-length"])
    ext_authz.response(settings, ctx)
    assert.same({ "z=0", "a=1", "b=2" }, ctx.res.headers:get_all "set-cookie")
    ctx = fake.new { headers = { ["x-user"] = "ada" } }
    says(200, { { "x-user", "bob" } })
    ext_authz.request(conf {}, ctx)
    ext_authz.response(conf {}, ctx)
    assert.same({ "ada", 0 }, { ctx.req.headers["x-user"], #ctx.res.headers:get_all "x-user" })
  end)

  it("passes a refusal on: status, body and headers", function()
    local fields = { { "content-type", "text/html" }, { "set-cookie", "a=1" }, { "set-cookie", "b=2" },
      { "location", "/login" }, { "transfer-encoding", "chunked" }, { "x-why", "no" } }
    says(302, fields, "go away")
    local ctx = fake.new {}
    local answer = ext_authz.request(conf {}, ctx)
    assert.same({ 302, "go away", "/login", "no" },
      { answer.status, answer.body, answer.headers.location, answer.headers["x-why"] })
    assert.same({ "a=1", "b=2" }, answer.headers:get_all "set-cookie")
    assert.is_nil(answer.headers["transfer-encoding"])
    assert.same({ "UAEX", "ext_authz_denied", { denied = 1 } }, { ctx:flags_text(), ctx.details, counted })
    says(204, fields)
    answer = ext_authz.request(conf { deny_headers = { "X-Why" } }, fake.new {})
    assert.same({ 204, "/login", "no" }, { answer.status, answer.headers.location, answer.headers["x-why"] })
    assert.is_nil(answer.headers["set-cookie"])
  end)

  it("refuses after a failure, unless it may not", function()
    for _, failure in ipairs { "connection refused", 500, 503, 101 } do
      local ctx = fake.new {}
      for _ = 1, 2 do
        if failure == "connection refused" then table.insert(answers, failure) else says(failure, {}, "secret") end
      end
      local answer = ext_authz.request(conf { status_on_error = 503 }, ctx)
      assert.same({ 503, "", "UAEX", "ext_authz_error" }, { answer.status, answer.body, ctx:flags_text(), ctx.details })
      assert.is_nil(ext_authz.request(conf { fail_open = true }, fake.new {}))
    end
    assert.same({ { failed = 4, failed_open = 4 }, "connection refused", "status 500" },
      { counted, warned[1], warned[3] })
    table.insert(answers, "late")
    assert.equal(403, ext_authz.request(conf {}, fake.new {}).status)
  end)

  it("asks about the requests that its rules mean", function()
    local settings = conf { rules = { { paths = { "/admin*" } }, { methods = { "PUT" } } } }
    assert.is_nil(ext_authz.request(settings, fake.new { path = "/" }))
    assert.same({}, sent)
    says(403)
    assert.equal(403, ext_authz.request(settings, fake.new { path = "/admin/x" }).status)
    assert.is_nil(ext_authz.request(conf { rules = {} }, fake.new { path = "/" }))
    assert.equal(1, #sent)
  end)

  it("sends the body as far as it may", function()
    local function ask(settings, body, fields)
      says(200)
      local ctx = fake.new { method = "POST", body = body, headers = fields }
      ctx.req.has_body = body ~= nil
      return ext_authz.request(conf(settings), ctx), sent[#sent]
    end
    local headers = { "x-envoy-auth-partial-body" }
    local _, asked = ask({ body = { limit = 4 } }, "four")
    assert.equal("four", asked.body)
    local answer = ask({ body = { limit = 4 } }, "fives")
    assert.same({ 413, "Payload Too Large" }, { answer.status, answer.body })
    _, asked = ask({ body = { limit = 4, allow_partial = true }, request_headers = headers }, "fives")
    assert.same({ "five", "true" }, { asked.body, asked.headers["x-envoy-auth-partial-body"] })
    _, asked = ask({ body = { limit = 4, allow_partial = true }, request_headers = headers }, "four")
    assert.same({ "four", "false" }, { asked.body, asked.headers["x-envoy-auth-partial-body"] })
    _, asked = ask({ request_headers = headers }, "four")
    assert.is_nil(asked.body)
    assert.is_nil(asked.headers["x-envoy-auth-partial-body"])
  end)

  it("refuses settings that make no sense", function()
    local function wrong(settings) return (fake.mistakes(ext_authz, settings))[1] end
    assert.equal("service: expected one of 'service' and 'url'", wrong {})
    assert.equal("service: expected one of 'service' and 'url'", wrong { service = "a", url = "http://b" })
    assert.equal("subset: stands with 'service' only", wrong { url = "http://b", subset = "v1" })
    assert.matches("^url: ", wrong { url = "http://b/path" })
    assert.matches("^path_prefix: expected a path", wrong { service = "a", path_prefix = "check" })
    assert.matches('^request_headers.2: .*got "%*"$', wrong { service = "a", request_headers = { "a", "*" } })
    assert.matches("^deny_headers.1: ", wrong { service = "a", deny_headers = { "a*b" } })
    assert.matches("^add_headers: bad name of a field: host", wrong { service = "a", add_headers = { host = "x" } })
    assert.matches("^add_headers.x: a value", wrong { service = "a", add_headers = { x = "a\r\nb: c" } })
    assert.matches("^rules.1.ip_blocks.1: ", wrong { service = "a", rules = { { ip_blocks = { "nowhere" } } } })
    assert.matches("^body: 'limit' is missing", wrong { service = "a", body = {} })
  end)
end)
