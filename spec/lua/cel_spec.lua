require "spec.support.init"
local cel = require "moongate.cel"
local fake = require "spec.support.fake_ctx"

local CTX = {
  method = "GET", path = "/shop/cart", query = "id=1", authority = "shop.test:80", status = 404, port = 8080,
  headers = { ["x-user"] = "ada" }, response_headers = { ["grpc-status"] = "7" }, details = "route_not_found",
}

describe("cel", function()
  for text, expected in pairs {
    ["response.code >= 400"] = true, ["response.code < 400"] = false,
    ["response.code == 404 && request.method == 'GET'"] = true,
    ["response.code == 200 || request.path == '/shop/cart?id=1'"] = true, ["!(response.code == 404)"] = false,
    ["request.url_path.startsWith('/shop')"] = true, ['request.url_path.contains("art") && !connection.mtls'] = true,
    ["request.url_path.endsWith('/')"] = false, ["request.headers['x-user'] == 'ada'"] = true,
    ["'x-user' in request.headers"] = true, ["'x-none' in request.headers"] = false,
    ["request.method in ['PUT', 'GET']"] = true, ["response.code in [1, 2]"] = false,
    ["string(destination.port)"] = "8080", ["'200'"] = "200", ["request.host + '!'"] = "shop.test:80!",
    ["has(request.headers['x-none'])"] = false, ["has(response.code) ? 'a' : 'b'"] = "a",
    ["size(request.method) == 3"] = true, ["response.grpc_status == 7"] = true, ["1 + 2 == 3"] = true,
    ["request.headers['x-none'] == 'a' || true"] = true, ["false && request.headers['x-none'] == 'a'"] = false,
    ["-response.code < 0"] = true, ['"it\'s \\"so\\""'] = 'it\'s "so"',
    ["response.code_details == 'route_not_found'"] = true, ["request.headers.x_user"] = "none",
  } do
    it("reads " .. text, function()
      local value, why = cel.compile(text)
      assert.is_nil(why)
      local found = value(fake.new(CTX))
      if found == nil then found = "none" end
      assert.equal(expected, found)
    end)
  end

  it("has no value where a part has none, or of another type", function()
    for _, text in ipairs { "request.headers['x-none']", "request.headers['x-none'] == 'a'", "response.code == '404'",
      "!response.code", "upstream.address.contains('1')", "'a' + 1", "xds.route_name ? 1 : 2" } do
      assert.is_nil(assert(cel.compile(text))(fake.new(CTX)), text)
    end
  end)

  it("says what it does not understand", function()
    for text, why in pairs {
      ["response.cod >= 400"] = "unknown attribute 'response.cod'; did you mean 'response.code'?",
      ["filter_state.upstream_peer"] = "unknown attribute 'filter_state.upstream_peer'",
      ["request.path.matches('x')"] = "unknown method 'matches'; startsWith, endsWith and contains are known",
      ["timestamp('x')"] = "unknown function 'timestamp'; has, string, int and size are known",
      ["response.code >="] = "expected a value, got the end", ["response.code 400"] = "unexpected '400'",
      ["(response.code"] = "expected ')', got the end", ["'abc"] = "a text without its end",
      ["a # b"] = "unexpected #", [""] = "expected a value, got the end", [("("):rep(60)] = "too deep",
      ["'a' in"] = "expected '[', got the end",
    } do
      assert.equal(why, (select(2, cel.compile(text))):sub(1, #why), text)
    end
  end)
end)
