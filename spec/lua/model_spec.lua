local model = require "moongate.model"
local policy = require "moongate.policy"

local function draft(changes)
  local made = {
    listeners = { { name = "web", address = "127.0.0.1:8080" } },
    services = { api = { endpoints = { { address = "127.0.0.1:9001" } }, subsets = { v1 = { version = "v1" } } } },
    routes = { { backends = { { service = "api" } } } },
  }
  for key, value in pairs(changes or {}) do made[key] = value end
  return made
end

local function check(changes)
  local found = {}
  local result = model.check(draft(changes), function(path, message)
    found[#found + 1] = table.concat(path, ".") .. ": " .. message
  end, { by_specificity = true })
  return result, found
end

local function first(changes)
  local result, found = check(changes)
  assert.is_nil(result)
  assert.equal(1, #found)
  return found[1]
end

describe("model.check", function()
  setup(function() policy.add_path("spec/support/policies") end)

  it("fills defaults", function()
    local made = check()
    local listener = made.listeners[1]
    assert.equal(8080, listener.port)
    assert.equal(32768, listener.limits.header_bytes)
    assert.equal("remove", listener.client_cert_header)
    assert.equal("round_robin", made.services.api.balance.kind)
    assert.equal(3000, made.services.api.pool.connect_timeout)
    assert.equal("api", made.services.api.name)
    assert.equal(1, made.services.api.endpoints[1].weight)
    assert.equal(1, made.routes[1].backends[1].weight)
    assert.equal("route-1", made.routes[1].name)
    assert.same({ { rank = 1 } }, made.routes[1].matches)
  end)

  it("does not share defaults between parts", function()
    local made = check { listeners = {
      { name = "a", address = "127.0.0.1:1" }, { name = "b", address = "127.0.0.1:2" } } }
    assert.are_not.equal(made.listeners[1].limits, made.listeners[2].limits)
  end)

  it("refuses two listeners on one address, and admin on a listener's", function()
    assert.equal("listeners.2.address: 127.0.0.1:80 is taken already by listener 'a'; expected an address of its own",
      first { listeners = { { name = "a", address = "127.0.0.1:80" }, { name = "b", address = "127.0.0.1:80" } } })
    assert.matches("^admin.address: 127.0.0.1:8080 is taken", first { admin = { address = "127.0.0.1:8080" } })
    assert.matches("a second listener named 'a'",
      first { listeners = { { name = "a", address = "127.0.0.1:80" }, { name = "a", address = "127.0.0.1:81" } } })
    assert.matches("at least one listener", first { listeners = {} })
  end)

  it("refuses unknown names and suggests known ones", function()
    local function with(change)
      local route = { backends = { { service = "api" } } }
      for key, value in pairs(change) do route[key] = value end
      return first { routes = { route } }
    end
    assert.equal("routes.1.backends.1.service: unknown service 'ap'; did you mean 'api'?",
      with { backends = { { service = "ap" } } })
    assert.equal("routes.1.backends.1.subset: unknown subset 'v2' of service 'api'; did you mean 'v1'?",
      with { backends = { { service = "api", subset = "v2" } } })
    assert.equal("routes.1.listeners.1: unknown listener 'wed'; did you mean 'web'?", with { listeners = { "wed" } })
    assert.equal("routes.1.policies.1: unknown policy 'rbak'; did you mean 'rbac'?",
      with { policies = { { name = "rbak" } } })
    assert.matches("^routes.1.retries.on.1: unknown condition 'conect%-failure'; did you mean 'connect%-failure'",
      with { retries = { on = { "conect-failure" } } })
  end)

  it("takes sections of listeners, and refuses one that none of a route's listeners has", function()
    local function with(sections, section)
      return { listeners = { { name = "web", address = "127.0.0.1:80", sections = sections } },
        routes = { { backends = { { service = "api" } }, section = section } } }
    end
    local made = check(with({ "A.test", "*" }, "a.Test"))
    assert.same({ { "a.test", "*" }, "a.test" }, { made.listeners[1].sections, made.routes[1].section })
    assert.equal("routes.1.section: no listener of it has a section 'b.test'; did you mean 'a.test'?",
      first(with({ "a.test" }, "b.test")))
    assert.matches('^listeners.1.sections.2: bad host "a b"', first(with({ "a.test", "a b" })))
  end)

  it("refuses weights that add up to nothing, and routes that lead nowhere", function()
    assert.matches("^routes.1.backends: the weights add up to 0",
      first { routes = { { backends = { { service = "api", weight = 0 }, { service = "api", weight = 0 } } } } })
    assert.matches("^routes.1: expected backends, or a policy", first { routes = { {} } })
    assert.is_table((check { routes = { { policies = { { name = "tally" } } } } }))
  end)

  it("checks settings of policies wherever they stand", function()
    local bad = function() return { { name = "tally", conf = { count = 0 } } } end
    local _, found = check {
      policies = bad(),
      routes = { { policies = bad(), backends = { { service = "api", policies = bad() } } } },
    }
    table.sort(found)
    assert.same({
      "policies.1.conf.count: expected a value of at least 1, got 0",
      "routes.1.backends.1.policies.1.conf.count: expected a value of at least 1, got 0",
      "routes.1.policies.1.conf.count: expected a value of at least 1, got 0",
    }, found)
  end)

  it("gives each use its module and checked settings", function()
    local use = check({ policies = { { name = "tally" } } }).policies[1]
    assert.equal(policy.load("tally"), use.policy)
    assert.same({ count = 1 }, use.conf)
  end)

  it("refuses a backend's policy whose phases would not run", function()
    local function backend(name)
      return { routes = { { backends = { { service = "api", policies = { { name = name } } } } } } }
    end
    assert.matches("^routes.1.backends.1.policies.1: policy 'logs' has the phase log", first(backend "logs"))
    assert.matches("^routes.1.backends.1.policies.1: policy 'reads' has the phase request_body", first(backend "reads"))
    assert.truthy((check(backend "tally")))
  end)

  it("refuses bad hosts, paths, methods and header names", function()
    local function match(rule)
      return first { routes = { { matches = { rule }, backends = { { service = "api" } } } } }
    end
    assert.matches('^routes.1.hosts.1: bad host "a:80"; expected a host without a port',
      first { routes = { { hosts = { "a:80" }, backends = { { service = "api" } } } } })
    assert.matches('^routes.1.matches.1.path.prefix: bad path "a"', match { path = { prefix = "a" } })
    assert.matches('^routes.1.matches.1.path.exact: bad path "/a%?b"', match { path = { exact = "/a?b" } })
    assert.matches("^routes.1.matches.1.path: expected exactly one", match { path = { exact = "/a", prefix = "/a" } })
    assert.matches('^routes.1.matches.1.method: bad method', match { method = "GET /" })
    assert.matches('^routes.1.matches.1.headers.1: bad header name',
      match { headers = { { name = "a b", exact = "" } } })
    assert.matches('^routes.1.matches.1.query.1: expected exactly one', match { query = { { name = "a" } } })
  end)

  it("refuses a balance that cannot work", function()
    local function balance(value) return first { services = { api = { balance = value } } } end
    assert.matches("unknown balance 'randon'; did you mean 'random'", balance "randon")
    assert.matches("consistent_hash needs exactly one", balance { kind = "consistent_hash" })
    assert.matches("stand with consistent_hash", balance { kind = "random", header = "x" })
  end)

  it("refuses TLS without a certificate, or client_auth without authorities", function()
    local function tls(value) return first { listeners = { { name = "a", address = "127.0.0.1:1", tls = value } } } end
    assert.matches("^listeners.1.tls: expected a certificate", tls {})
    assert.matches("needs 'client_ca'", tls { certs = { {} }, client_auth = "require" })
  end)

  it("finds the nearest position among at fields", function()
    local made = { at = "a:1", routes = { { at = "a:2", backends = { { service = "x" } } } } }
    assert.equal("a:2", model.at(made, { "routes", 1, "backends", 1, "service" }))
    assert.equal("a:1", model.at(made, { "services", "x" }))
  end)
end)
