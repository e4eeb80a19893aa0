require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local headers = require "policies.headers"

local function changed(settings, given)
  local ctx = fake.new(given)
  local conf = fake.conf(headers, settings)
  headers.request(conf, ctx)
  headers.response(conf, ctx)
  return ctx
end

describe("policy headers", function()
  it("removes, then sets, then adds", function()
    local ctx = changed({ request = { remove = { "X-A" }, set = { ["x-b"] = "2" }, add = { ["x-a"] = { "3", "4" } } } },
      { headers = { ["x-a"] = "0", ["x-b"] = { "0", "1" } } })
    assert.same({ "3", "4" }, ctx.req.headers:get_all("x-a"))
    assert.same({ "2" }, ctx.req.headers:get_all("x-b"))
  end)

  it("changes the response apart from the request", function()
    local response = { set = { ["x-bench"] = '1 "quoted" \\ \t %' }, add = { ["set-cookie"] = "a=1" } }
    local ctx = changed({ response = response }, { response_headers = { ["set-cookie"] = "b=2" } })
    assert.equal('1 "quoted" \\ \t %', ctx.res.headers["x-bench"])
    assert.same({ "b=2", "a=1" }, ctx.res.headers:get_all("set-cookie"))
    assert.is_nil(ctx.req.headers["x-bench"])
  end)

  it("sets the authority by the name host", function()
    assert.equal("inner:81", changed({ request = { set = { Host = "inner:81" } } }).req.authority)
  end)

  it("fills in templates, and changes nothing by an empty one", function()
    local ctx = changed({ templates = true, request = {
      set = { ["x-a"] = "%REQ(USER)%-%REQ(:METHOD)%", ["x-b"] = "100%%", ["x-c"] = "%REQ(NONE)%",
        host = "%REQ(USER)%" },
      add = { ["x-d"] = { "plain", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%" } } },
      response = { set = { ["x-e"] = "%RESP(X-F)%!" } } },
      { headers = { user = "amy", ["x-c"] = "kept" }, response_headers = { ["x-f"] = "f" } })
    local sent = ctx.req.headers
    assert.same({ "amy-GET", "100%", "kept", "amy", "f!" },
      { sent["x-a"], sent["x-b"], sent["x-c"], ctx.req.authority, ctx.res.headers["x-e"] })
    assert.same({ "plain", "127.0.0.1" }, sent:get_all "x-d")
    assert.equal("%REQ(USER)%", changed({ request = { set = { a = "%REQ(USER)%" } } }).req.headers.a)
    assert.equal("request.set.a: unknown operator %NONE%",
      fake.mistakes(headers, { templates = true, request = { set = { a = "%NONE%" } } })[1])
  end)

  it("refuses what could not stand in a message", function()
    for path, settings in pairs {
      ["request.set"] = { request = { set = { ["x y"] = "1" } } },
      ["response.set"] = { response = { set = { a = "1\r\nb: 2" } } },
      ["request.add"] = { request = { add = { ["Content-Length"] = "1" } } },
      ["response.remove.1"] = { response = { remove = { "connection" } } },
    } do
      assert.equal(path, (fake.mistakes(headers, settings)[1]:match("^[^:]*")))
    end
  end)
end)
