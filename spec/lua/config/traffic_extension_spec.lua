local manifest = require "spec.support.manifest"
local mesh = require "spec.support.mesh"

local MESH = mesh.SHOPS .. [[
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: all, namespace: prod}
spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: guard, namespace: prod}
spec: {rules: [{to: [{operation: {methods: [GET]}}]}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: prod}
spec: {jwtRules: [{issuer: i, jwks: '{"keys":[{"kty":"oct","k":"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"}]}'}]}
---
]]

local HEAD = "apiVersion: extensions.istio.io/v1alpha1\nkind: TrafficExtension\n"
  .. "metadata: {name: %s, namespace: %s%s}\nspec:\n"
local SCRIPT = "  lua:\n    inlineCode: |\n      -- %s\n      function envoy_on_request(handle)\n      end\n"

-- An extension whose script names itself.
local function extension(name, spec, options)
  options = options or {}
  local since = options.since and (', creationTimestamp: "%s"'):format(options.since) or ""
  local lines = { HEAD:format(name, options.namespace or "prod", since) }
  for line in spec:gmatch "[^\n]+" do lines[#lines + 1] = "  " .. line .. "\n" end
  if not spec:find("lua:", 1, true) then lines[#lines + 1] = SCRIPT:format(name) end
  return table.concat(lines) .. "---\n"
end

local function load(text)
  return manifest.load(MESH .. text)
end

-- The policies of the first route of a listener, scripts by their first words.
local function chain(model, listener)
  for _, route in ipairs(model.routes) do
    if route.listeners[1]:find(listener, 1, true) then
      local names = {}
      for i, use in ipairs(route.policies) do
        names[i] = use.name == "envoy_lua" and use.conf.script.text:match("^%-%- (%S+)") or use.name
      end
      return table.concat(names, " ")
    end
  end
end

local function loaded(text)
  local model, errors = load(text)
  assert.is_truthy(model, errors[1] and errors[1].message)
  return model
end

local function mistake(text)
  local model, errors = load(text)
  assert.is_nil(model)
  return errors[1].message, errors[1].line - select(2, MESH:gsub("\n", ""))
end

describe("TrafficExtension", function()
  it("stands before what its phase names, by priority, age and name", function()
    local model = loaded(extension("last", "priority: 5") .. extension("stats", "phase: STATS")
      .. extension("authz", "phase: AUTHZ") .. extension("authn", "phase: AUTHN")
      .. extension("b", "phase: AUTHN") .. extension("low", "phase: AUTHN\npriority: -1")
      .. extension("high", "phase: AUTHN\npriority: 1000")
      .. extension("old", "phase: AUTHN", { since = "2020-01-01T00:00:00Z" }))
    assert.equal("high old authn b low jwt authz rbac stats last", chain(model, "mesh shop"))
  end)

  it("counts where it is attached", function()
    local model = loaded(extension("all", "priority: 9") .. extension("app", "selector: {matchLabels: {app: shop}}")
      .. extension("gate", "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: gw}]")
      .. extension("mesh", "phase: STATS", { namespace = "istio-system" }))
    assert.equal("jwt rbac mesh all app", chain(model, "mesh shop"))
    assert.equal("mesh", chain(model, "mesh other"))
    assert.truthy(chain(model, "gw"):find("mesh all gate", 1, true))
  end)

  it("counts for the traffic that it matches", function()
    local model = loaded(extension("client", "match: [{mode: CLIENT}]")
      .. extension("server", "match: [{mode: SERVER}]")
      .. extension("both", "match: [{mode: CLIENT_AND_SERVER}]") .. extension("undefined", "match: [{mode: UNDEFINED}]")
      .. extension("p80", "match: [{ports: [{number: 81}, {number: 80}]}]")
      .. extension("none", "match: [{mode: SERVER, ports: [{number: 81}]}]")
      .. extension("second", "match: [{mode: CLIENT}, {ports: [{number: 80}]}]"))
    assert.equal("jwt rbac both p80 second server undefined", chain(model, "mesh shop"))
    assert.truthy(chain(model, "gw"):find("both client second undefined", 1, true))
  end)

  it("counts for requests that have a route alone", function()
    local model = loaded(mesh.object("networking.istio.io/v1", "Gateway", "edge",
      "{servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: [a.test]}]}", "prod")
      .. mesh.object("networking.istio.io/v1", "VirtualService", "edge", "{hosts: [a.test], gateways: [edge], "
      .. "http: [{match: [{uri: {exact: /ok}}], directResponse: {status: 200}}]}", "prod")
      .. extension("all", "phase: AUTHN"))
    local routes = manifest.routes_at(model, "ingress 0.0.0.0:81")
    assert.equal("envoy_lua", routes[1].policies[1].name)
    for _, use in ipairs(routes[2].policies) do assert.not_equal("envoy_lua", use.name) end
  end)

  it("is one use for all routes, told where its script stands", function()
    local model = loaded(extension("all", "phase: STATS"))
    local uses = {}
    for _, route in ipairs(model.routes) do
      for _, use in ipairs(route.policies) do
        if use.name == "envoy_lua" then uses[use] = true end
      end
    end
    local use = next(uses)
    assert.is_nil(next(uses, use))
    local line = select(2, (MESH .. HEAD):gsub("\n", "")) + 4
    assert.equal(line, use.conf.script.line)
  end)

  it("knows clusters of the mesh by their names", function()
    local code = "lua:\n  inlineCode: |\n    function envoy_on_request(handle)\n"
      .. "      handle:httpCall('outbound|80||%s', {})\n    end"
    local model = loaded(extension("call", code:format "other.test.svc.cluster.local"))
    for _, route in ipairs(model.routes) do
      for _, use in ipairs(route.policies) do
        if use.name == "envoy_lua" then
          local service = use.conf.clusters["outbound|80||other.test.svc.cluster.local"]
          assert.truthy(model.services[service])
        end
      end
    end
    local text, line = mistake(extension("call", code:format "none.test.svc.cluster.local"))
    assert.truthy(text:find("there is no cluster outbound|80||none.test.svc.cluster.local here", 1, true))
    assert.equal(8, line)
  end)

  it("is refused where its script cannot run, with the line in the file", function()
    local function code(script)
      return extension("bad", "lua:\n  inlineCode: |\n    " .. script:gsub("\n", "\n    "))
    end
    for script, expected in pairs {
      ["function envoy_on_request(h)\n  h:clearRouteCache()\nend"] = { 8, "clearRouteCache() of Envoy's Lua API is" },
      ["function envoy_on_request(h)\n  local = 1\nend"] = { 8, "'<name>' expected near '='" },
      ["local x\nx()"] = { 8, "attempt to call" },
      ["local x = 1\n"] = { 7, "defines neither envoy_on_request nor envoy_on_response" },
    } do
      local text, line = mistake(code(script))
      assert.truthy(text:find("TrafficExtension bad: spec.lua.inlineCode: " .. expected[2], 1, true), text)
      assert.equal(expected[1], line, script)
    end
  end)

  it("is refused without a script, and with what nothing honours", function()
    local function refused(text) return (mistake(HEAD:format("bad", "prod", "") .. text .. "---\n")) end
    assert.truthy(refused("  phase: STATS\n"):find("'lua' is missing", 1, true))
    assert.truthy(refused("  wasm: {url: x}\n"):find("wasm", 1, true))
    assert.truthy(refused("  lua: {inlineCode: ''}\n"):find("inlineCode", 1, true))
    assert.truthy(refused("  lua: {}\n"):find("inlineCode", 1, true))
    assert.truthy(refused("  targetRef: {kind: Service, name: a}\n  lua: {inlineCode: x}\n"):find("targetRef", 1, true))
  end)

  it("says when it counts nowhere", function()
    local _, _, warnings = load(extension("lost", "selector: {matchLabels: {app: nobody}}"))
    local said = false
    for _, warning in ipairs(warnings) do said = said or warning.message:find("counts nowhere", 1, true) ~= nil end
    assert.is_true(said)
  end)
end)
