require "spec.support.init"
local cors = require "policies.cors"
local fake = require "spec.support.fake_ctx"

-- What a request from `origin` gets: the answer of a preflight (or nil), and the headers of the response.
local function asked(settings, origin, preflight, answered)
  local ctx = fake.new { method = preflight and "OPTIONS" or "GET",
    headers = { origin = origin, ["access-control-request-method"] = preflight and "PUT" or nil,
      ["access-control-request-headers"] = preflight and "x-a, x-b" or nil } }
  local conf = fake.conf(cors, settings)
  local answer = cors.request(conf, ctx)
  if answer then ctx.res = answer end
  for name, value in pairs(answered or {}) do ctx.res.headers:add(name, value) end
  cors.response(conf, ctx)
  return answer, ctx.res.headers
end

local function allowed(origins, origin)
  local _, headers = asked({ allow_origins = origins }, origin)
  return headers["access-control-allow-origin"]
end

describe("policy cors", function()
  it("allows origins as written, by host, or all", function()
    for _, row in ipairs {
      { "https://a.example", "https://a.example", true }, { "https://a.example", "https://A.example", true },
      { "https://a.example", "http://a.example", false }, { "https://a.example", "https://a.example:443", true },
      { "https://a.example", "https://a.example:8443", false },
      { "http://a.example:8080", "http://a.example:8080", true },
      { "https://*.a.example", "https://x.y.a.example", true }, { "https://*.a.example", "https://a.example", false },
      { "https://*.a.example", "https://x.a.example.evil", false },
      { "https://*.a.example", "https://xa.example", false },
      { "https://*", "https://any.example", true }, { "https://*", "http://any.example", false },
      { "*", "null", true }, { "*", "http://any.example:12345", true }, { "https://a.example", "null", false },
    } do
      assert.equal(row[3] and row[2] or nil, allowed({ row[1] }, row[2]), row[1] .. " and " .. row[2])
    end
    assert.is_nil(allowed({}, "https://a.example"))
  end)

  it("compares the header's text where told how", function()
    local rules = { { exact = "https://a.example" }, { prefix = "https://b." }, { regex = "https://[cd]\\.example" },
      "http://e.example" }
    for origin, is_allowed in pairs {
      ["https://a.example"] = true, ["https://A.example"] = false, ["https://a.example:443"] = false,
      ["https://b.any"] = true, ["https://d.example"] = true, ["https://d.example.evil"] = false,
      ["http://E.example"] = true,
    } do
      assert.equal(is_allowed and origin or nil, allowed(rules, origin), origin)
    end
    assert.equal("null", allowed({ { exact = "*" } }, "null"))
    for rule, message in pairs { [{}] = "expected one of", [{ regex = "(" }] = "missing )" } do
      assert.truthy(fake.mistakes(cors, { allow_origins = { rule } })[1]:find(message, 1, true))
    end
  end)

  it("sends lists as they are written where told so", function()
    local _, headers = asked({ allow_origins = { "*" }, allow_methods = { "GET", "*" }, allow_headers = { "*" },
      literal = true }, "https://a.example", true)
    assert.same({ "GET,*", "*" }, { headers["access-control-allow-methods"], headers["access-control-allow-headers"] })
  end)

  it("answers a preflight of an allowed origin", function()
    local answer, headers = asked({ allow_origins = { "https://a.example" }, allow_methods = { "GET", "PUT" },
      allow_headers = { "x-a" }, expose_headers = { "x-c", "x-d" }, allow_credentials = true, max_age = "1h" },
      "https://a.example", true)
    assert.equal(200, answer.status)
    assert.same({ "https://a.example", "GET, PUT", "x-a", "x-c, x-d", "true", "3600", "origin" }, {
      headers["access-control-allow-origin"], headers["access-control-allow-methods"],
      headers["access-control-allow-headers"], headers["access-control-expose-headers"],
      headers["access-control-allow-credentials"], headers["access-control-max-age"], headers.vary })
  end)

  it("repeats what was asked for where anything is allowed", function()
    local _, headers = asked({ allow_origins = { "*" }, allow_methods = { "*" }, allow_headers = { "*" } },
      "https://a.example", true)
    assert.same({ "https://a.example", "PUT", "x-a, x-b" }, { headers["access-control-allow-origin"],
      headers["access-control-allow-methods"], headers["access-control-allow-headers"] })
    assert.is_nil(headers["access-control-allow-credentials"])
  end)

  it("names each header of the answer where all are exposed with credentials", function()
    local settings = { allow_origins = { "*" }, expose_headers = { "*" } }
    local _, headers = asked(settings, "https://a.example")
    assert.equal("*", headers["access-control-expose-headers"])
    settings.allow_credentials = true
    _, headers = asked(settings, "https://a.example", nil, { ["x-a"] = "1", ["set-cookie"] = "b" })
    local list = {}
    for name in headers["access-control-expose-headers"]:gmatch "[^, ]+" do list[#list + 1] = name end
    table.sort(list)
    assert.same({ "set-cookie", "x-a" }, list)
  end)

  it("answers a preflight of another origin without a word, or lets it pass", function()
    local answer, headers = asked({ allow_origins = { "https://a.example" }, allow_methods = { "*" } },
      "https://b.example", true)
    assert.equal(200, answer.status)
    for name in headers:each() do assert.is_nil(name:find "^access%-control") end
    assert.is_nil((asked({ allow_origins = { "https://a.example" }, unmatched_preflights = "forward" },
      "https://b.example", true)))
  end)

  it("lets every other request pass, and marks the answer for an allowed origin alone", function()
    local answer, headers = asked({ allow_origins = { "https://a.example" }, allow_credentials = true },
      "https://a.example")
    assert.is_nil(answer)
    assert.equal("true", headers["access-control-allow-credentials"])
    answer, headers = asked({ allow_origins = { "https://a.example" }, allow_credentials = true }, "https://b.example")
    assert.is_nil(answer)
    assert.is_nil(headers["access-control-allow-credentials"])
    assert.is_nil((asked({ allow_origins = { "*" } }, nil, true)))
  end)

  it("refuses settings without sense", function()
    for path, settings in pairs {
      ["allow_methods.1"] = { allow_methods = { "GE T" } }, ["allow_headers.2"] = { allow_headers = { "x-a", "*" } },
      ["expose_headers.1"] = { expose_headers = { "*", "x-a" } },
      ["allow_origins.1"] = { allow_origins = { "https://*.a.*" } },
    } do
      local found = fake.mistakes(cors, settings)
      assert.equal(path, found[1] and found[1]:match "^[%w_.]+")
    end
  end)
end)
