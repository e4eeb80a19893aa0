require "spec.support.native"
local cli = require "moongate.cli"
local json = require "moongate.json"
local summary = require "moongate.model.summary"

local folder

local function write(name, text)
  local file = assert(io.open(folder .. "/" .. name, "w"))
  file:write(text)
  file:close()
  return folder .. "/" .. name
end

-- Result, what stands on the output, what stands on the error output.
local function run(...)
  local out, err = {}, {}
  local versions = { moongate = "0.1.0", tls = "mbed TLS 2.28.3", libuv = "libuv 1.44.2" }
  local result = cli.main({ ... }, versions, {
    out = function(text) out[#out + 1] = text end, err = function(text) err[#err + 1] = text end,
  })
  return result, table.concat(out), table.concat(err)
end

describe("command line", function()
  local good, bad

  setup(function()
    local pipe = assert(io.popen("mktemp -d"))
    folder = pipe:read("*l")
    pipe:close()
    write("key.pem", "-----BEGIN PRIVATE KEY-----\n")
    good = write("good.lua", [[
      return {
        listeners = { b = { address = "0.0.0.0:8080" },
                      a = { address = "[::1]:8443", tls = { cert = "key.pem", key = "key.pem" } } },
        admin = { address = "127.0.0.1:15020" },
        services = { api = { endpoints = { "127.0.0.1:9001" } } },
        routes = { { policies = { { "tally", name = "hidden" } }, backends = { { service = "api" } } } },
      }]])
    bad = write("bad.lua", 'return {\n listeners = { web = {} },\n rotes = {} }')
  end)
  teardown(function()
    for _, name in ipairs { "key.pem", "good.lua", "bad.lua" } do os.remove(folder .. "/" .. name) end
    os.remove(folder)
  end)

  it("checks a good config", function()
    local code, out, err = run("check", "--policy-path", "spec/support/policies", good)
    assert.equal("", err)
    assert.equal("ok: 2 listeners, 1 route, 1 service\n", out)
    assert.equal(0, code)
  end)

  it("prints every mistake of a bad one", function()
    for _, command in ipairs { "check", "run" } do
      local code, out, err = run(command, bad)
      assert.equal(1, code)
      assert.equal("", out)
      assert.equal(bad .. ":2: listeners.web: 'address' is missing; expected a string\n"
        .. bad .. ":3: rotes: unknown key 'rotes'; did you mean 'routes'?\n", err)
    end
  end)

  it("tells the core what to run", function()
    local plan = run("run", "--policy-path=spec/support/policies", good, "--workers", "3")
    assert.equal("run", plan.action)
    assert.equal(3, plan.workers)
    assert.same({ good }, plan.paths)
    assert.same({ "spec/support/policies" }, plan.policy_path)
    assert.equal("127.0.0.1:15020", plan.admin)
    assert.same({
      { name = "a", address = "[::1]:8443", at = good .. ":3" },
      { name = "b", address = "0.0.0.0:8080", at = good .. ":2" },
    }, plan.listeners)
  end)

  it("shifts ports and replaces addresses", function()
    local plan = run("run", "--bind", "127.0.0.9", "--port-offset", "100", good)
    assert.equal("127.0.0.9:8543", plan.listeners[1].address)
    assert.equal("127.0.0.9:8180", plan.listeners[2].address)
    assert.equal("127.0.0.1:15120", plan.admin)
    assert.is_nil(plan.workers)
    assert.equal("[::1]:15", run("run", "--admin", "[::1]:15", good).admin)
    assert.equal("[::1]:8443", run("run", "--bind", "[::1]", good).listeners[1].address)
  end)

  it("shows the model without secrets", function()
    local text = summary.of_image(run("run", good).image)
    local shown = assert(json.decode(text))
    assert.equal("a", shown.listeners[1].name)
    assert.equal("key.pem", shown.listeners[1].tls.certs[1])
    assert.equal("tally", shown.routes[1].policies[1].name)
    assert.equal("127.0.0.1:9001", shown.services.api.endpoints[1].address)
    assert.is_nil(text:find("BEGIN", 1, true))
    assert.is_nil(text:find("hidden", 1, true))
  end)

  it("refuses what it does not know, with a suggestion", function()
    local function refused(...)
      local code, out, err = run(...)
      assert.equal(2, code)
      assert.equal("", out)
      return err
    end
    assert.matches("unknown command 'chek'; did you mean 'check'?", refused("chek"), 1, true)
    assert.matches("unknown option '--wokers'; did you mean '--workers'?", refused("run", "--wokers", "x"), 1, true)
    assert.matches("unknown option '-w'", refused("run", "-w", "x"), 1, true)
    assert.matches("expected the path of a config", refused("run"), 1, true)
    assert.matches('--workers: expected a number from 1 to 64, got "0"', refused("run", "--workers=0"), 1, true)
    assert.matches("--workers: expected a value", refused("run", "x", "--workers"), 1, true)
    assert.matches("--workers stands twice", refused("run", "--workers", "1", "--workers", "2", "x"), 1, true)
    assert.matches("--admin: expected", refused("run", "--admin", "80", "x"), 1, true)
    assert.matches("--bind: expected an IP address", refused("run", "--bind", "localhost", "x"), 1, true)
    assert.matches("--port-offset: [::1]:8443 and 60000 more", refused("run", "--port-offset", "60000", good), 1, true)
    assert.matches("Usage: moongate COMMAND", refused(), 1, true)
    assert.matches("nothing is called 'rbax'; did you mean 'rbac'?", refused("help", "rbax"), 1, true)
  end)

  it("prints versions", function()
    local code, out = run("version")
    assert.equal(0, code)
    assert.equal("moongate 0.1.0\n  libuv 1.44.2\n  mbed TLS 2.28.3\n", out)
    assert.equal(out, select(2, run("--version")))
  end)

  it("explains itself, and a policy", function()
    local code, out = run("help")
    assert.equal(0, code)
    for _, word in ipairs { "run PATH", "check PATH", "--policy-path", "--workers", "--admin", "--port-offset" } do
      assert.matches(word, out, 1, true)
    end
    assert.matches("tally: a policy for specs.*count %(integer; default 1; at least 1%): How many",
      select(2, run("help", "tally")))
  end)

  it("leaves the collector of memory as it was, whatever the config is", function()
    local before = collectgarbage("setpause", 210)
    for _, text in ipairs { "return {", "error 'no'", "return { listeners = {} }" } do
      assert.equal(1, (run("check", write("pause.lua", text))))
      assert.equal(210, collectgarbage("setpause", 210))
    end
    collectgarbage("setpause", before)
  end)
end)
