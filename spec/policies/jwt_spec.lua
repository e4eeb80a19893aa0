require "spec.support.init"
local fake_abi = require "spec.support.fake_abi"
local base64 = require "moongate.base64"
local fake = require "spec.support.fake_ctx"
local hash = require "moongate.hash"
local json = require "moongate.json"
local jwt = require "policies.jwt"

local NOW = 1800000000
local SECRET = ("s"):rep(32)

local function key(kid, secret)
  return { kty = "oct", kid = kid, k = base64.encode_url(secret or SECRET), alg = "HS256" }
end

local function key_set(...)
  return assert(json.encode { keys = json.array { ... } })
end

local function sign(claims, header, secret)
  header = header or { alg = "HS256" }
  local signed = base64.encode_url(json.encode(header)) .. "." .. base64.encode_url(json.encode(claims))
  return signed .. "." .. base64.encode_url(hash.hmac("sha256", secret or SECRET, signed))
end

local function rule(more)
  local one = { issuer = "me", jwks = key_set(key "k") }
  for name, value in pairs(more or {}) do one[name] = value end
  return one
end

local function ask(settings, given)
  local ctx = fake.new(given)
  return jwt.request(fake.conf(jwt, settings), ctx), ctx
end

local function bearer(token, more)
  local given = { headers = { authorization = "Bearer " .. token } }
  for name, value in pairs(more or {}) do given[name] = value end
  return given
end

describe("policy jwt", function()
  before_each(function() fake_abi.wall_time = NOW end)

  local GOOD = { iss = "me", sub = "ada", exp = NOW + 60 }

  it("lets a good token through, says whose it is, and takes it out of the request", function()
    local answer, ctx = ask({ rules = { rule() } }, bearer(sign(GOOD)))
    assert.is_nil(answer)
    assert.same({ "me", "ada" }, { ctx.shared.jwt.iss, ctx.shared.jwt.sub })
    assert.is_nil(ctx.req.headers.authorization)
  end)

  it("passes the token on if told to", function()
    local _, ctx = ask({ rules = { rule { forward = true } } }, bearer(sign(GOOD)))
    assert.equal("Bearer " .. sign(GOOD), ctx.req.headers.authorization)
  end)

  it("lets requests without a token through as nobody's, unless one is required", function()
    local answer, ctx = ask({ rules = { rule() } })
    assert.same({ nil, nil }, { answer, ctx.shared.jwt })
    assert.is_nil((ask({ rules = { rule() } }, { headers = { authorization = "Basic YTpi" } })))
    answer, ctx = ask({ rules = { rule() }, required = true }, { path = "/a", query = "b=c" })
    assert.same({ 401, "Jwt is missing", 'Bearer realm="http://shop.example/a"' },
      { answer.status, answer.body, answer.headers["www-authenticate"] })
    assert.equal("jwt_authn_access_denied{Jwt_is_missing}", ctx.details)
  end)

  local function refusal(token, settings)
    local answer = ask(settings or { rules = { rule() } }, bearer(token))
    return answer and { answer.status, answer.body } or "passed"
  end

  it("refuses with the reason what is expired, not yet valid, by another, or for another", function()
    assert.same({ 401, "Jwt is expired" }, refusal(sign { iss = "me", exp = NOW - 61 }))
    assert.equal("passed", refusal(sign { iss = "me", exp = NOW - 60 }))
    assert.same({ 401, "Jwt not yet valid" }, refusal(sign { iss = "me", nbf = NOW + 61 }))
    assert.equal("passed", refusal(sign { iss = "me", nbf = NOW + 60 }))
    assert.same({ 401, "Jwt is expired" }, refusal(sign { iss = "me", exp = NOW - 1 },
      { rules = { rule() }, clock_skew = 0 }))
    assert.same({ 401, "Jwt issuer is not configured" }, refusal(sign { iss = "you" }))
    assert.same({ 401, "Jwt issuer is not configured" }, refusal(sign { sub = "ada" }))
    local shop = { rules = { rule { audiences = { "shop", "https://bank.example/" } } } }
    assert.same({ 403, "Audiences in Jwt are not allowed" }, refusal(sign { iss = "me" }, shop))
    assert.same({ 403, "Audiences in Jwt are not allowed" }, refusal(sign { iss = "me", aud = "shopping" }, shop))
    assert.equal("passed", refusal(sign { iss = "me", aud = "shop" }, shop))
    assert.equal("passed", refusal(sign { iss = "me", aud = json.array { "x", "bank.example" } }, shop))
    assert.same({ 401, "Jwt verification fails" }, refusal(sign(GOOD, nil, ("t"):rep(32))))
    local answer = ask({ rules = { rule() } }, bearer("x"))
    assert.same({ 'Bearer realm="http://shop.example/", error="invalid_token"', "text/plain" },
      { answer.headers["www-authenticate"], answer.headers["content-type"] })
  end)

  it("remembers a verified token no longer than it is good", function()
    local conf = fake.conf(jwt, { rules = { rule() } })
    local token = sign { iss = "me", exp = NOW }
    assert.is_nil(jwt.request(conf, fake.new(bearer(token))))
    assert.is_nil(jwt.request(conf, fake.new(bearer(token))))
    fake_abi.wall_time = NOW + 61
    assert.equal(401, jwt.request(conf, fake.new(bearer(token))).status)
  end)

  it("takes tokens where the rule says, and nowhere else", function()
    local settings = { rules = { rule { from_headers = { { name = "X-Token", prefix = "Value " }, { name = "x-raw" } },
      from_params = { "t" }, from_cookies = { "session" } } }, required = true }
    local token = sign(GOOD)
    local function passes(given) return (ask(settings, given)) == nil end
    assert.is_true(passes { headers = { ["x-token"] = "Value " .. token } })
    assert.is_true(passes { headers = { ["x-raw"] = token } })
    assert.is_true(passes { query = "t=" .. token })
    assert.is_true(passes { headers = { cookie = "a=b; session=" .. token } })
    assert.is_false(passes(bearer(token)))
    assert.is_false(passes { headers = { ["x-token"] = "value " .. token } })
    assert.is_false(passes { query = "access_token=" .. token })
    assert.is_false(passes { query = "t=" })
  end)

  it("leaves the rest of the query and of the cookies as they were", function()
    local settings = { rules = { rule { from_params = { "t" }, from_cookies = { "session" } } } }
    local _, ctx = ask(settings, { query = "a=%41&t=" .. sign(GOOD) .. "&b&t=2",
      headers = { cookie = "session=" .. sign(GOOD) .. "; a=b; c=d" } })
    assert.same({ "a=%41&b", "a=b; c=d" }, { ctx.req.query, ctx.req.headers.cookie })
    _, ctx = ask(settings, { query = "t=" .. sign(GOOD) })
    assert.is_nil(ctx.req.query)
  end)

  it("wants all tokens of a rule to be good", function()
    local settings = { rules = { rule { from_params = { "a", "b" } } } }
    local good, bad = sign(GOOD), sign { iss = "me", exp = 1 }
    assert.is_nil((ask(settings, { query = "a=" .. good .. "&b=" .. good })))
    assert.equal(401, ask(settings, { query = "a=" .. good .. "&b=" .. bad }).status)
    assert.equal(401, ask(settings, { query = "a=" .. bad .. "&b=" .. good }).status)
    assert.equal(401, ask({ rules = { rule() } }, { headers = { authorization = {
      "Bearer " .. good, "Bearer " .. bad } } }).status)
  end)

  it("wants one rule to be met, and says why that of the token's issuer is not", function()
    local settings = { rules = { rule(), rule { issuer = "you", audiences = { "x" } },
      rule { issuer = "you", audiences = { "y" } } } }
    assert.equal("passed", refusal(sign(GOOD), settings))
    assert.equal("passed", refusal(sign { iss = "you", aud = "y" }, settings))
    assert.same({ 403, "Audiences in Jwt are not allowed" }, refusal(sign { iss = "you" }, settings))
    assert.same({ 401, "Jwt issuer is not configured" }, refusal(sign { iss = "they" }, settings))
  end)

  it("writes claims into headers, over what the client made up", function()
    local settings = { rules = { rule { payload_header = "X-Payload", claim_headers = {
      { header = "X-Sub", claim = "sub" }, { header = "x-deep", claim = "a.b.c" }, { header = "x-n", claim = "n" },
      { header = "x-yes", claim = "yes" }, { header = "x-list", claim = "list" }, { header = "x-cut", claim = "cut" },
      { header = "x-dots", claim = "idp.example/roles.first" } } } } }
    local claims = { iss = "me", sub = "ada", a = { b = { c = "deep" } }, n = 1562182722, yes = true,
      list = json.array { "a" }, cut = "a\r\nx: y", ["idp.example/roles"] = { first = "admin" } }
    local token = sign(claims)
    local given = bearer(token)
    for _, name in ipairs { "x-sub", "x-list", "x-cut", "x-payload" } do given.headers[name] = "made up" end
    local _, ctx = ask(settings, given)
    local headers = ctx.req.headers
    assert.same({ "ada", "deep", "1562182722", "true", "admin" }, { headers["x-sub"], headers["x-deep"],
      headers["x-n"], headers["x-yes"], headers["x-dots"] })
    assert.same({}, { headers["x-list"], headers["x-cut"] })
    assert.equal(token:match "%.(.-)%.", headers["x-payload"])
  end)

  it("takes made-up claims away from requests without a token, and from preflights", function()
    local settings = { rules = { rule { claim_headers = { { header = "x-sub", claim = "sub" } } } } }
    local _, ctx = ask(settings, { headers = { ["x-sub"] = "root" } })
    assert.is_nil(ctx.req.headers["x-sub"])
    _, ctx = ask(settings, { method = "OPTIONS", headers = { ["x-sub"] = "root", origin = "https://a.test",
      ["access-control-request-method"] = "PUT" } })
    assert.is_nil(ctx.req.headers["x-sub"])
  end)

  it("takes away what CGI would take for its claims", function()
    local settings = { rules = { rule { payload_header = "x-the-payload",
      claim_headers = { { header = "x-sub", claim = "sub" }, { header = "x_role", claim = "role" } } } } }
    local function given(headers)
      for _, name in ipairs { "X_Sub", "x-Role", "x_the-payload", "x-the_payload" } do headers[name] = "made up" end
      headers["x_other"] = "stays"
      return { headers = headers }
    end
    local with_token = given(bearer(sign(GOOD)).headers)
    for _, options in ipairs { given {}, with_token } do
      local _, ctx = ask(settings, options)
      local left = {}
      for name, value in ctx.req.headers:each() do
        if value == "made up" then left[#left + 1] = name end
      end
      assert.same({}, left)
      assert.equal("stays", ctx.req.headers["x_other"])
    end
  end)

  it("lets preflights through unchecked, and nothing that only looks like one", function()
    local function options(more, method)
      local given = bearer("bad", { method = method or "OPTIONS" })
      for name, value in pairs(more) do given.headers[name] = value end
      return (ask({ rules = { rule() }, required = true }, given))
    end
    local asked = { origin = "https://a.test", ["access-control-request-method"] = "PUT" }
    assert.is_nil(options(asked))
    assert.equal(401, options({ ["access-control-request-method"] = "PUT" }).status)
    assert.equal(401, options({ origin = "https://a.test" }).status)
    assert.equal(401, options(asked, "GET").status)
  end)

  it("splits claims that are lists in one text", function()
    local _, ctx = ask({ rules = { rule { space_delimited = { "teams" } } } },
      bearer(sign { iss = "me", scope = "read  write", teams = "a b", other = "c d" }))
    local claims = ctx.shared.jwt.claims
    assert.same({ { "read", "write" }, { "a", "b" }, "c d" }, { claims.scope, claims.teams, claims.other })
  end)

  it("refuses settings that cannot work", function()
    local function first(one) return fake.mistakes(jwt, { rules = { one } })[1] end
    assert.matches("^rules%.1%.issuer: expected it, or one of jwks", first {})
    assert.matches("^rules%.1%.issuer: is no URL", first { issuer = "me" })
    assert.is_nil(first { issuer = "https://idp.example/realm" })
    assert.matches("^rules%.1%.jwks_url: stands beside jwks;", first { jwks = "{}", jwks_url = "https://a/" })
    assert.matches("^rules%.1%.jwks_url: expected http", first { jwks_url = "ftp://a/" })
    assert.matches("^rules%.1%.jwks: no JSON object", first { jwks = "garbage" })
    assert.matches("^rules%.1%.jwks: no key that could be used; keys%[0%]: %[k%] is missing",
      first { jwks = '{"keys":[{"kty":"oct"}]}' })
    assert.matches("^rules%.1%.jwks_file: ", first { jwks_file = "/nowhere/at/all" })
    assert.matches("^rules%.1%.payload_header: ", first(rule { payload_header = "a b" }))
    assert.matches("^rules%.1%.claim_headers%.1%.header: ",
      first(rule { claim_headers = { { header = "host", claim = "a" } } }))
  end)
end)
