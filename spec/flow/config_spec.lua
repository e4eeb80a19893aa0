--- `moongate config`: what it prints is a config that means the same, and holds no secret.
local gateway = require "spec.support.gateway"
local json = require "moongate.json"
local process = require "spec.support.process"

local KEY = "-----BEGIN PRIVATE KEY-----\\nc2VjcmV0\\n-----END PRIVATE KEY-----\\n"

describe("moongate config", function()
  teardown(gateway.stop_all)

  local function printed(path, ...)
    local code, text = gateway.run("config", path, ...)
    assert.equal(0, code, text)
    return text:match "return {.*$" or text -- without warnings
  end

  local function without_places(text) return (text:gsub(" %-%- [^\n]*", "")) end

  local function saved(text)
    return gateway.write(gateway.folder() .. "/again.lua", text)
  end

  for path in process.read("ls examples/*.lua examples/*.yaml; echo examples/walkthrough"):gmatch "[^\n]+" do
    it("of " .. path .. " reads as the same", function()
      local text = printed(path)
      assert.equal(text, printed(path)) -- one order
      if text:find("(masked)", 1, true) then return end -- nobody can run that
      local again = saved(text)
      local first = without_places(text)
      assert.equal(first, without_places(printed(again)))
      assert.equal(0, (gateway.run("check", again)))
    end)
  end

  it("keeps what a request meets", function()
    local again = saved(printed "examples/walkthrough")
    for _, words in ipairs {
      { "--host", "web-api:8080", "--principal", "cluster.local/ns/default/sa/sleep" },
      { "--host", "web-api:8080", "--method", "DELETE", "--principal", "cluster.local/ns/default/sa/sleep" },
      { "--host", "istioexplained.io" }, { "--host", "istioexplained.io", "--header", "user: Amy" },
      { "--host", "other.test" },
    } do
      local function asked(path)
        local code, text = gateway.run("explain", path, "--json", unpack(words))
        assert.equal(0, code, text)
        local record = assert(json.decode(text))
        return { record.listener.name, record.route and record.route.name, record.answer, record.response.body }
      end
      assert.same(asked "examples/walkthrough", asked(again))
    end
  end)

  it("keeps the sections of a listener apart", function()
    local path = gateway.write(gateway.folder() .. "/sections.yaml", [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: moongate
  listeners: [{name: all, port: 80, protocol: HTTP}, {name: a, port: 80, protocol: HTTP, hostname: "*.a.test"}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all}
spec: {parentRefs: [{name: web, sectionName: all}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {}}]}]}
]])
    local again = saved(printed(path))
    for host, status in pairs { ["b.test"] = "302", ["x.a.test"] = "404" } do
      for _, config in ipairs { path, again } do
        local _, text = gateway.run("explain", config, "--host", host, "--listener", "default/web 0.0.0.0:80")
        assert.equal(status, text:match "response +(%d+)", text)
      end
    end
  end)

  it("masks secrets and shows durations as people write them", function()
    local path = gateway.write(gateway.folder() .. "/tls.lua", ([[
      return {
        listeners = { web = { address = "127.0.0.1:1", tls = { cert = "-----BEGIN CERTIFICATE-----\n", key = "%s" } } },
        services = { up = { endpoints = { "127.0.0.1:2" }, pool = { idle_timeout = 90 },
          tls = { cert = "-----BEGIN CERTIFICATE-----\n", key = "%s" } } },
        routes = { { backends = { { service = "up" } }, timeout = "1500ms" } },
      }]]):format(KEY, KEY))
    for _, form in ipairs { {}, { "--json" } } do
      local text = printed(path, unpack(form))
      assert.is_nil(text:find("c2VjcmV0", 1, true))
      assert.equal(2, select(2, text:gsub("%(masked%)", "")))
      assert.truthy(text:find('"1m30s"', 1, true) and text:find('"1500ms"', 1, true), text)
    end
    local tree = assert(json.decode(printed(path, "--json")))
    assert.equal("1m30s", tree.services.up.pool.idle_timeout)
    assert.equal("up", tree.routes[1].backends[1].service)
  end)
end)
