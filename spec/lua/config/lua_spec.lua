local config = require "moongate.config"
local policy = require "moongate.policy"

local folder

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

local function load_text(text)
  return config.load({ write("gateway.lua", text) })
end

-- Messages without the folder: "gateway.lua:3: ...".
local function mistakes(text)
  local model, errors = load_text(text)
  assert.is_nil(model)
  local list = {}
  for i, entry in ipairs(errors) do list[i] = config.message(entry):sub(#folder + 2) end
  return list
end

describe("config in Lua", function()
  setup(function()
    policy.add_path("spec/support/policies")
    local pipe = assert(io.popen("mktemp -d"))
    folder = pipe:read("*l")
    pipe:close()
    write("server.crt", "-----BEGIN CERTIFICATE-----\n")
    write("server.key", "-----BEGIN PRIVATE KEY-----\n")
  end)
  teardown(function()
    for _, name in ipairs { "server.crt", "server.key", "gateway.lua" } do os.remove(folder .. "/" .. name) end
    os.remove(folder)
  end)

  it("becomes a model", function()
    local model = assert(load_text [[
      return {
        listeners = {
          web = { address = "0.0.0.0:8080", limits = { header_timeout = "2s", header_bytes = "16KiB" } },
          mesh = { address = "0.0.0.0:8443", tls = { cert = "server.crt", key = "server.key" } },
        },
        admin = { address = "127.0.0.1:15020" },
        services = { api = { endpoints = { "127.0.0.1:9001" }, balance = "least_request", tls = true } },
        policies = { "tally" },
        routes = {
          { backends = { { service = "api" } } },
          { name = "amy", hosts = { "Shop.Example" }, timeout = "10s",
            match = { path = { prefix = "/a" }, method = "GET", headers = { ["X-User"] = "Amy" },
                      query = { { name = "q", present = true } } },
            policies = { { "tally", count = 3 } }, backends = { { service = "api", weight = 2 } },
            retries = { on = { "503" } } },
        },
      }]])
    assert.equal("mesh", model.listeners[1].name)
    local tls = model.listeners[1].tls
    assert.same({ cert = "-----BEGIN CERTIFICATE-----\n", key = "-----BEGIN PRIVATE KEY-----\n", name = "server.crt" },
      tls.certs[1])
    assert.equal("1.2", tls.min_version)
    assert.equal(2000, model.listeners[2].limits.header_timeout)
    assert.equal(16384, model.listeners[2].limits.header_bytes)
    assert.equal("least_request", model.services.api.balance.kind)
    assert.is_false(model.services.api.tls.insecure)
    assert.equal("127.0.0.1:15020", model.admin.address)

    local amy = model.routes[1]
    assert.equal("amy", amy.name)
    assert.equal(folder .. "/gateway.lua:11", amy.at)
    assert.same({ "shop.example" }, amy.hosts)
    assert.same({ { path = { prefix = "/a" }, method = "GET", headers = { { name = "x-user", exact = "Amy" } },
                    query = { { name = "q", present = true } }, rank = 1 } }, amy.matches)
    assert.equal("tally", amy.policies[1].name)
    assert.same({ count = 3 }, amy.policies[1].conf)
    assert.equal(10000, amy.timeout)
    assert.equal(2, amy.retries.attempts)
    assert.equal("route-1", model.routes[2].name)
  end)

  it("reports all mistakes at once, each at its line", function()
    assert.same({
      'gateway.lua:2: listeners.web.address: bad address "nowhere"; expected "host:port" such as "127.0.0.1:8080" '
        .. 'or "[::1]:8080"',
      "gateway.lua:3: servces: unknown key 'servces'; did you mean 'services'?",
      "gateway.lua:5: routes[1].match.headers.user: expected exactly one of 'exact', 'prefix', 'suffix', "
        .. "'regex', 'present = true'",
      "gateway.lua:6: routes[1].policies[1].count: expected a value of at least 1, got 0",
      "gateway.lua:7: routes[1].backends[1].service: unknown service 'api'",
      'gateway.lua:8: routes[1].timeout: expected a duration such as "5s", got the boolean true',
      "gateway.lua:9: routes[2].policies[1]: expected a policy such as \"metrics\" or { \"rbac\", allow = ... }",
      "gateway.lua:9: routes[2]: a second route named 'a'; the first is at " .. folder .. "/gateway.lua:4",
    }, mistakes [[
return {
  listeners = { web = { address = "nowhere" } },
  servces = {},
  routes = { { name = "a", match = {
      headers = { user = {} } },
      policies = { { "tally", count = 0 } },
      backends = { { service = "api" } },
      timeout = true },
    { name = "a", policies = { 3, "tally" } },
  },
}]])
  end)

  it("checks regular expressions and what stands beside them", function()
    local function of(match)
      return mistakes("return { listeners = { a = { address = '0.0.0.0:1' } }, services = { s = {} }, routes = { {"
        .. "\nbackends = { { service = 's' } }, match = " .. match .. " } } }")
    end
    assert.same({ 'gateway.lua:2: routes[1].match.headers.a.regex: bad regular expression "("; missing ): (',
      'gateway.lua:2: routes[1].match.method.regex: bad regular expression "*"; no argument for repetition operator: *',
      'gateway.lua:2: routes[1].match.path.regex: bad regular expression "(?=a)"; invalid perl operator: (?=' },
      of "{ path = { regex = '(?=a)' }, method = { regex = '*' }, headers = { a = { regex = '(' } } }")
    assert.same({ 'gateway.lua:2: routes[1].match.path.ignore_case: stands without regex, which says it itself: '
      .. '"(?i)..."' }, of "{ path = { regex = '/a', ignore_case = true } }")
    assert.same({ "gateway.lua:2: routes[1].match.authority: expected exactly one of 'exact', 'prefix', 'suffix', "
      .. "'regex'" }, of "{ authority = {} }")
    local made = load_text [[return { listeners = { a = { address = "0.0.0.0:1" } }, services = { s = {} }, routes = { {
      backends = { { service = "s" } },
      match = { authority = "a:80", method = "GET", scheme = { regex = "https?" } } } } }]]
    assert.same({ authority = { exact = "a:80" }, method = "GET", scheme = { regex = "https?" }, rank = 1 },
      assert(made).routes[1].matches[1])
  end)

  it("reports what stops the file from running", function()
    assert.matches("^gateway.lua:2: '}' expected", mistakes("return {\n a b }")[1])
    assert.matches("^gateway.lua:2: attempt to call global 'require'", mistakes("\nrequire 'os'")[1])
    assert.matches("^gateway.lua:3: enough", mistakes("\n\nerror('enough')")[1])
    assert.equal("gateway.lua:1: expected the file to return a table, got the number 3", mistakes("return 3")[1])
    assert.matches("^gateway.lua:1: attempt to load chunk with wrong mode", mistakes("\27Lua")[1])
    assert.matches("^gateway.lua:1: listeners: expected", mistakes("return { listeners = 3 }")[1])
  end)

  it("says which certificate it cannot read", function()
    local list = mistakes('return { listeners = { a = { address = "0.0.0.0:1",'
      .. ' tls = { cert = "server.crt",\n key = "no.key" } } } }')
    assert.equal(1, #list)
    assert.matches('^gateway.lua:2: listeners.a.tls.key: cannot read "no.key": .*No such file', list[1])
    assert.matches("^gateway.lua:1: listeners.a.tls: 'cert' and 'key' stand only together",
      mistakes('return { listeners = { a = { address = "0.0.0.0:1", tls = { cert = "server.crt" } } } }')[1])
  end)

  it("refuses paths it cannot load", function()
    local function refuse(...) return config.message(select(2, config.load { ... })[1]) end
    assert.matches("^/no/such.lua:1: cannot be read", refuse("/no/such.lua"))
    assert.matches("^a.toml:1: expected a file that ends in", refuse("a.toml"))
    assert.matches("^a.lua:1: expected a config in Lua to stand alone", refuse("a.lua", "b.yaml"))
    assert.matches("the folder has no", refuse("spec/lua"))
  end)

  it("gives the config pure functions and the environment only", function()
    assert(load_text [[
      assert(io == nil and require == nil and load == nil and debug == nil and os.execute == nil and package == nil)
      string.rep = nil
      return { listeners = { a = { address = "0.0.0.0:" .. (os.getenv("NO_SUCH_PORT") or 80) } } }]])
    assert.is_function(string.rep)
  end)
end)
