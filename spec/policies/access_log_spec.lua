require "spec.support.init"
local abi = require "spec.support.fake_abi"
local fake = require "spec.support.fake_ctx"
local access_log = require "policies.access_log"
local json = require "moongate.json"

local function line(settings, given)
  abi.reset()
  access_log.log(fake.conf(access_log, settings), fake.new(given))
  return abi.lines[1]
end

local GIVEN = {
  method = "POST", path = "/buy", query = "id=1", status = 503, duration = 0.0126, upstream_duration = 0.01,
  bytes_in = 120, bytes_out = 340, attempts = 2, details = "why", start_time = 784111777.25, request_id = "r-1",
  route = { name = "shop" }, backend = { service = "a", subset = "v1" }, upstream_address = "127.0.0.1:9101",
  headers = { ["user-agent"] = 'evil "\\ \t\255', ["x-a"] = "12345" }, flag_list = { "UF", "URX" },
  peer = { address = "10.0.0.1", port = 4000, principal = "spiffe://t/ns/n/sa/s",
           certificate = { sni = "shop.example" } },
}

describe("policy access_log", function()
  it("writes JSON by default", function()
    local got = json.decode(line({}, GIVEN))
    assert.same({
      start_time = "1994-11-06T08:49:37.250Z", method = "POST", path = "/buy?id=1", protocol = "HTTP/1.1",
      status = 503, flags = "UF,URX", details = "why", bytes_in = 120, bytes_out = 340, duration_ms = 13,
      upstream_ms = 10, client = "127.0.0.1", peer = "10.0.0.1:4000", principal = "spiffe://t/ns/n/sa/s",
      listener = "web", route = "shop", backend = "a/v1", upstream = "127.0.0.1:9101", attempts = 2,
      host = "shop.example", request_id = "r-1", user_agent = 'evil "\\ \t\195\191',
    }, got)
  end)

  it("leaves out of JSON what is not known", function()
    local got = json.decode(line({}, { status = 404 }))
    assert.is_nil(got.route)
    assert.is_nil(got.upstream_ms)
    assert.equal(404, got.status)
  end)

  for format, expected in pairs {
    ["%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%"] = "POST /buy?id=1 HTTP/1.1",
    ["%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"] = "503 UF,URX why",
    ["%DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% 100%%"] = "13 10 100%",
    ["%REQ(X-A):3%|%REQ(X-NONE)%|%RESP(X-NONE)%"] = "123|-|-",
    ['"%REQ(USER-AGENT)%"'] = [["evil \"\\ \x09\xff"]],
    ["%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %ROUTE_NAME% %REQUESTED_SERVER_NAME%"] =
      "127.0.0.1:9101 a/v1 shop shop.example",
    ["%START_TIME% %BYTES_RECEIVED% %BYTES_SENT%"] = "1994-11-06T08:49:37.250Z 120 340",
  } do
    it("writes " .. format, function() assert.equal(expected, line({ format = format }, GIVEN)) end)
  end

  it("writes addresses of IPv6 in brackets, and none of a Unix socket", function()
    local format = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
    assert.equal("[2001:db8::1]:4000 2001:db8::1", line({ format = format }, { peer = { address = "2001:db8::1",
      port = 4000 } }))
    assert.equal("- -", line({ format = format }, { peer = { address = "", port = 0 } }))
  end)

  it("has no line that a long value would cut, for a log takes 4095 bytes", function()
    local given = {}
    for name, value in pairs(GIVEN) do given[name] = value end
    given.path, given.headers = "/" .. ("p"):rep(8000), { ["user-agent"] = ("\255"):rep(8000), ["x-a"] = "1" }
    local all = line({}, given)
    local got = json.decode(all)
    assert.is_true(#all <= 4095)
    assert.same({ 503, "a/v1", "10.0.0.1:4000" }, { got.status, got.backend, got.peer })
    assert.truthy(got.path:find("^/pppp") and got.user_agent:find("^\195\191"))
    all = line({ fields = { agent = "%REQ(USER-AGENT)%", both = "%REQ(:PATH)% %REQ(USER-AGENT)% %RESPONSE_CODE%",
      z = "%RESPONSE_CODE%" } }, given)
    got = json.decode(all)
    assert.same({ 503, " 503", true }, { got.z, got.both:sub(-4), #all <= 4095 })
    all = line({ format = "%REQ(USER-AGENT)% %REQ(:PATH)% %RESPONSE_CODE%" }, given)
    assert.same({ " 503", true }, { all:sub(-4), #all <= 4095 })
  end)

  it("refuses operators that it does not know", function()
    for _, format in ipairs { "%NOPE%", "%REQ()%", "100%", "%REQ(a)", "%duration%" } do
      assert.truthy((fake.mistakes(access_log, { format = format })[1] or ""):find("^format: "), format)
    end
  end)

  it("writes JSON of one's own", function()
    assert.equal('{"code":503,"none":null,"what":"POST 503-"}', line({ fields = { code = "%RESPONSE_CODE%",
      what = "%REQ(:METHOD)% %RESPONSE_CODE%%RESP(X-NONE)%", none = "%RESP(X-NONE)%" } }, GIVEN))
    assert.equal("fields: a: unknown operator %NOPE%", fake.mistakes(access_log, { fields = { a = "%NOPE%" } })[1])
  end)

  it("logs what its filter and its listeners ask for", function()
    for filter, expected in pairs { ["response.code >= 500"] = true, ["response.code < 500"] = false,
      ["request.headers['x-none'] == 'a'"] = false, ["response.code"] = false } do
      assert.equal(expected, line({ filter = filter, format = "x" }, GIVEN) ~= nil, filter)
    end
    assert.equal("x", line({ listeners = { "web" }, format = "x" }, GIVEN))
    assert.is_nil(line({ listeners = { "other" }, format = "x" }, GIVEN))
    assert.equal("filter: unknown attribute 'response.cod'; did you mean 'response.code'?",
      fake.mistakes(access_log, { filter = "response.cod > 1" })[1])
  end)

  it("does not start when the file cannot be opened", function()
    assert.has_error(function() fake.conf(access_log, { path = "/nowhere/x" }) end)
  end)
end)
