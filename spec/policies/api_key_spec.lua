require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local hash = require "moongate.hash"
local api_key = require "policies.api_key"

describe("policy api_key", function()
  local folder

  local function write(name, text)
    local path = folder .. "/" .. name
    local file = assert(io.open(path, "wb"))
    file:write(text)
    file:close()
    return path
  end

  local function line(consumer, key) return ("%s sha256:%s\n"):format(consumer, hash.hex(hash.sha256(key))) end

  setup(function()
    local pipe = assert(io.popen "mktemp -d")
    folder = pipe:read "*l"
    pipe:close()
  end)
  teardown(function() os.execute("rm -r " .. folder) end)

  local function conf(settings)
    settings.file = settings.file or write("keys", "# ours\n\n" .. line("ada", "k-ada") .. line("bob", "k-bob"):upper()
      :gsub("BOB SHA256", "bob sha256") .. "  " .. line("ada", "k-ada-2"):gsub("\n", "\r\n"))
    return fake.conf(api_key, settings)
  end

  local function ask(settings, given)
    local ctx = fake.new(given)
    return api_key.request(settings, ctx), ctx
  end

  it("knows whose key it is, tells the service, and keeps the key to itself", function()
    local settings = conf {}
    for key, consumer in pairs { ["k-ada"] = "ada", ["k-ada-2"] = "ada", ["k-bob"] = "bob" } do
      local answer, ctx = ask(settings, { headers = { ["x-api-key"] = key, ["x-consumer"] = "eve",
        ["X_Consumer"] = "eve" } })
      assert.is_nil(answer)
      assert.same({ consumer, consumer }, { ctx.req.headers["x-consumer"], ctx.shared.api_key.consumer })
      assert.is_nil(ctx.req.headers["x-api-key"])
      assert.is_nil(ctx.req.headers["x_consumer"])
    end
  end)

  it("refuses what is no key of the file, and no key", function()
    local settings = conf { realm = "shop" }
    for _, key in ipairs { "k-ad", "k-ada ", "K-ADA", "", hash.hex(hash.sha256 "k-ada"), ("x"):rep(30000), "k\255" } do
      local answer, ctx = ask(settings, { headers = { ["x-api-key"] = key, ["x-consumer"] = "ada" } })
      assert.same({ 401, 'ApiKey realm="shop"', "api_key_refused" },
        { answer.status, answer.headers["www-authenticate"], ctx.details })
      assert.is_nil(ctx.shared.api_key)
      assert.is_nil(ctx.req.headers["x-consumer"])
    end
    local answer, ctx = ask(settings, { headers = { authorization = "Bearer k-ada" } })
    assert.same({ 401, "API key is missing", "api_key_missing" }, { answer.status, answer.body, ctx.details })
  end)

  it("lets requests without a key pass when it may, as nobody's", function()
    local settings = conf { optional = true }
    local answer, ctx = ask(settings, { headers = { ["x-consumer"] = "ada" } })
    assert.is_nil(answer)
    assert.is_nil(ctx.req.headers["x-consumer"])
    assert.equal(401, (ask(settings, { headers = { ["x-api-key"] = "wrong" } })).status)
  end)

  it("looks where it is told, and takes no two keys", function()
    local settings = conf { from_headers = { { name = "Authorization", prefix = "Key " } }, from_params = { "key" },
      from_cookies = { "key" }, consumer_header = "" }
    local answer, ctx = ask(settings, { headers = { authorization = "Key k-ada" }, query = "a=1&key=k-ada&b=2" })
    assert.is_nil(answer)
    assert.same({ "a=1&b=2", "ada" }, { ctx.req.query, ctx.shared.api_key.consumer })
    assert.is_nil(ctx.req.headers["x-consumer"])
    assert.is_nil((ask(settings, { headers = { cookie = "x=1; key=k-bob" } })))
    assert.equal(401, (ask(settings, { headers = { authorization = "Key k-ada" }, query = "key=k-bob" })).status)
    assert.equal(401, (ask(settings, { headers = { authorization = { "Key k-ada", "Key k-bob" } } })).status)
    assert.equal(401, (ask(settings, { headers = { ["x-api-key"] = "k-ada" } })).status)
    for _, query in ipairs { "key=k-ada&key=k-bob", "key=k-bob&a=1&key=k-ada&ke%79=k-ada", "key=k-ada&key",
      "key=nobodys" } do
      answer, ctx = ask(settings, { query = query })
      assert.equal(401, answer.status)
      assert.is_nil((ctx.req.query or ""):find("k[e%%]")) -- nor does a log say it
    end
    assert.is_nil((ask(settings, { query = "key=k-ada&key=k-ada" })))
    answer, ctx = ask(conf { forward = true }, { headers = { ["x-api-key"] = "k-ada" } })
    assert.is_nil(answer)
    assert.equal("k-ada", ctx.req.headers["x-api-key"])
  end)

  it("knows keys under a secret", function()
    local secret = ("s"):rep(20)
    local keys = write("hmac", line("bob", "k-bob") .. ("ada hmac-sha256:%s"):format(
      hash.hex(hash.hmac("sha256", secret, "k-ada"))))
    local settings = conf { file = keys, secret_file = write("secret", secret .. "\n") }
    assert.is_nil((ask(settings, { headers = { ["x-api-key"] = "k-ada" } })))
    assert.is_nil((ask(settings, { headers = { ["x-api-key"] = "k-bob" } })))
    local other = conf { file = keys, secret_file = write("other", ("t"):rep(20)) }
    assert.equal(401, (ask(other, { headers = { ["x-api-key"] = "k-ada" } })).status)
    assert.is_nil((ask(settings, { headers = { ["x-api-key"] = "k-ada" } })))
    local nothing = hash.hex(hash.hmac("sha256", secret, ""))
    local empty = conf { file = write("empty", "ada hmac-sha256:" .. nothing), secret_file = write("secret", secret) }
    assert.equal(401, (ask(empty, { headers = { ["x-api-key"] = "" } })).status)
  end)

  it("says what is wrong with a file, and where", function()
    local function wrong(settings) return (fake.mistakes(api_key, settings))[1] end
    local good, digest = line("ada", "k"), ("0"):rep(64)
    local function in_file(text)
      local path = write("wrong", text)
      local said = wrong { file = path }
      assert.equal("file: " .. path .. ":", said:sub(1, #path + 7))
      return said:sub(#path + 8)
    end
    assert.equal("2: expected CONSUMER SCHEME:DIGEST", in_file(good .. "bob\n"))
    assert.equal("2: expected CONSUMER SCHEME:DIGEST", in_file(good .. "bob sha256:" .. digest .. " more"))
    assert.equal("1: expected a digest of 64 hexadecimal digits", in_file("bob sha256:" .. digest .. "0"))
    assert.equal("1: expected a digest of 64 hexadecimal digits", in_file("bob sha256:" .. ("g"):rep(64)))
    assert.equal('3: unknown scheme "md5"; expected sha256 or hmac-sha256', in_file("#\n\nbob md5:" .. digest))
    assert.equal("1: hmac-sha256 needs 'secret_file'", in_file("bob hmac-sha256:" .. digest))
    assert.matches('^1: "b/b" is no name', in_file("b/b sha256:" .. digest))
    assert.matches("^1: .* is no name", in_file(("b"):rep(129) .. " sha256:" .. digest))
    assert.equal("3: this key stands above already, for ada", in_file(good .. "\n" .. good:gsub("ada", "bob")))
    assert.equal("1: this is the digest of an empty key", in_file(line("ada", "")))
    assert.equal("1: there is no key", in_file "# none\n")
    assert.equal("file: /nowhere/keys: No such file or directory", wrong { file = "/nowhere/keys" })
    local keys = write("keys", good)
    assert.matches("^secret_file: .*: expected 16 bytes or more$", wrong { file = keys,
      secret_file = write("short", "secret") })
    assert.matches("^from_headers.1.name: ", wrong { file = keys, from_headers = { { name = "host" } } })
    assert.matches("^consumer_header: ", wrong { file = keys, consumer_header = "a b" })
    assert.matches("^realm: ", wrong { file = keys, realm = 'a"b' })
  end)
end)
