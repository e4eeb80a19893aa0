local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local upstream = require "spec.support.upstream"

describe("routing", function()
  local gw, ups

  -- Each service is a server that says its own name.
  local function named(name)
    return upstream.start(function(request)
      request:read()
      return { headers = { ["x-service"] = name }, body = name }
    end)
  end

  setup(function()
    ups = { main = named "main", api = named "api", item = named "item", post = named "post", amy = named "amy",
      wild = named "wild", query = named "query",
      regex = named "regex" }
    local values = {}
    for name, up in pairs(ups) do values[name] = up.address end
    gw = gateway.start { values = values, config = [[
      local function service(address) return { endpoints = { { address = address } } } end
      local shop = { "shop.test" }
      local function to(name) return { { service = name } } end
      local root = { prefix = "/" }
      return {
        listeners = { web = { address = "127.0.0.1:$web" }, side = { address = "127.0.0.1:$side" } },
        services = { main = service "$main", api = service "$api", item = service "$item", post = service "$post",
          amy = service "$amy", wild = service "$wild", query = service "$query",
          regex = service "$regex" },
        routes = {
          { name = "main", hosts = shop, match = { path = root }, backends = to "main" },
          { name = "api", hosts = shop, match = { path = { prefix = "/api" } }, backends = to "api" },
          { name = "item", hosts = shop, match = { path = { exact = "/api/item" } }, backends = to "item" },
          { name = "post", hosts = shop, match = { path = root, method = "POST" }, backends = to "post" },
          { name = "amy", hosts = shop, match = { path = root, headers = { user = "Amy" } }, backends = to "amy" },
          { name = "query", hosts = shop, match = { path = root, query = { debug = "1" } }, backends = to "query" },
          { name = "regex", hosts = shop, match = { path = { regex = "/v[0-9]+/(a+)+" } }, backends = to "regex" },
          { name = "wild", hosts = { "*.shop.test" }, listeners = { "web" }, backends = to "wild" },
        },
      }]] }
  end)

  teardown(gateway.stop_all)

  local function reaches(request, port)
    request.host = request.host or "shop.test"
    local response = assert(http.ask(port or gw.ports.web, request))
    return response.status == 200 and response.body or response.status
  end

  it("finds a route by host, whatever its case and port", function()
    assert.equal("main", reaches { path = "/" })
    assert.equal("main", reaches { path = "/", host = "SHOP.test" })
    assert.equal("main", reaches { path = "/", host = "shop.test:8080" })
    assert.equal("wild", reaches { path = "/", host = "eu.shop.test" })
    assert.equal("wild", reaches { path = "/", host = "a.b.shop.test" })
  end)

  it("takes a regular expression of the whole path, in no time", function()
    assert.equal("regex", reaches { path = "/v12/aa" })
    assert.equal("main", reaches { path = "/v12/aa/" })
    assert.equal("main", reaches { path = "/v1/" .. ("a"):rep(4000) .. "!" })
  end)

  it("prefers an exact path to a prefix, and the longer prefix, by whole elements", function()
    assert.equal("item", reaches { path = "/api/item" })
    assert.equal("api", reaches { path = "/api/item/1" })
    assert.equal("api", reaches { path = "/api" })
    assert.equal("api", reaches { path = "/api?x=/api/item" })
    assert.equal("main", reaches { path = "/apis" })
  end)

  it("looks at method, headers and query", function()
    assert.equal("post", reaches { method = "POST", body = "x" })
    assert.equal("amy", reaches { headers = { User = "Amy" } })
    assert.equal("main", reaches { headers = { User = "amy" } })
    assert.equal("query", reaches { path = "/?a=b&debug=1" })
    assert.equal("main", reaches { path = "/?debug=2" })
  end)

  it("answers 404 with an empty body where no route is", function()
    for _, host in ipairs { "other.test", "shop.test.evil", "xshop.test" } do
      local response = assert(gw:ask { host = host })
      assert.equal(404, response.status)
      assert.equal("", response.body)
    end
    assert.equal(404, reaches({ host = "eu.shop.test" }, gw.ports.side))
  end)

  it("passes path, query and host on as they came", function()
    reaches { path = "/a%2Fb//c/../d?q=%20&r=a+b", host = "shop.test:99" }
    assert.equal("/a%2Fb//c/../d?q=%20&r=a+b", ups.main:last().target)
    assert.equal("shop.test:99", ups.main:last().headers.host)
  end)
end)
