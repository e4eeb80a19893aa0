--- DestinationRules and ServiceEntries as files, through the running gateway: what they say is what happens.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

local function object(kind, name, spec)
  return ("apiVersion: networking.istio.io/v1\nkind: %s\nmetadata: {name: %s}\nspec: %s\n---\n"):format(kind, name,
    spec)
end

-- A host with endpoints, and the gateway's route to it.
local function service(name, entry, rule, subset)
  return object("ServiceEntry", name, ("{hosts: [%s.test], %s}"):format(name, entry))
    .. object("VirtualService", name, ("{hosts: [%s.test], gateways: [edge], "
      .. "http: [{route: [{destination: {host: %s.test%s}}], "
      .. "retries: {attempts: 0}}]}"):format(name, name, subset and ", subset: " .. subset or ""))
    .. (rule and object("DestinationRule", name, ("{host: %s.test, %s}"):format(name, rule)) or "")
end

local function static(...)
  local list = {}
  for i, name in ipairs { ... } do
    list[i] = ("{address: 127.0.0.1, ports: {http: $%s}, labels: {version: %s}}"):format(name, name)
  end
  return "resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: ["
    .. table.concat(list, ", ") .. "]"
end

local function policy(text) return ("trafficPolicy: {%s}"):format(text) end

local function tls(text) return policy("tls: {" .. text .. "}") end

describe("DestinationRules at a gateway", function()
  local gw, good, bad, folder
  local refused = 0 -- of the requests for /wait

  setup(function()
    folder = certs.make(gateway.folder())
    good = upstream.start(function(request)
      request:read()
      if request.target == "/wait" then loop.poll(function() return refused > 0 or nil end, 5) end
      return { body = "good" }
    end)
    bad = upstream.start(function(request)
      request:read()
      return { status = 503, body = "bad" }
    end)
    -- What is called by TLS; it says who called.
    local far = gateway.start { values = { certs = folder }, config = certs.CALLED }
    local ca = "caCertificates: " .. folder .. "/ca.crt"
    gw = gateway.start { name = "all.yaml",
      values = { good = good.port, bad = bad.port, open = far.ports.open, mutual = far.ports.mutual },
      config = [[
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: edge}
  servers: [{bind: 127.0.0.1, port: {number: $web, name: http, protocol: HTTP}, hosts: ["*"]}]
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {clusterIP: 127.0.0.1, selector: {app: shop}, ports: [{name: http, port: $mesh}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: shop}
spec: {selector: {matchLabels: {app: shop}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
---
]] .. object("WorkloadEntry", "v1", "{address: 127.0.0.1, ports: {http: $good}, labels: {app: shop, version: v1}}")
      .. object("WorkloadEntry", "v2", "{address: 127.0.0.1, ports: {http: $bad}, labels: {app: shop, version: v2}}")
      .. object("DestinationRule", "shop",
        "{host: shop, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}")
      .. object("VirtualService", "shop", "{hosts: [shop.test], gateways: [edge], http: ["
        .. "{match: [{uri: {prefix: /v1}}], route: [{destination: {host: shop, subset: v1}}]}, "
        .. "{match: [{uri: {prefix: /v2}}], route: [{destination: {host: shop, subset: v2}}], retries: {attempts: 0}}, "
        .. "{route: [{destination: {host: shop}}], retries: {attempts: 0}}]}")
      .. service("plain", static("good", "bad"))
      .. service("subset", static("good", "bad"), "subsets: [{name: v1, labels: {version: good}}]", "v1")
      .. service("ejects", static("good", "bad"), policy("outlierDetection: {consecutive5xxErrors: 2, interval: 100ms, "
        .. "baseEjectionTime: 30s, maxEjectionPercent: 100}, loadBalancer: {simple: ROUND_ROBIN}"))
      .. service("breaks", static "good", policy "connectionPool: {http: {http2MaxRequests: 1}}")
      .. service("waits", static "good", policy("connectionPool: {tcp: {maxConnections: 1}, "
        .. "http: {http1MaxPendingRequests: 1}}"))
      .. service("sticky", static("good", "bad"), policy("loadBalancer: {consistentHash: {httpCookie: {name: seat, "
        .. "ttl: 0s, path: /x}}}"))
      .. service("named", "resolution: DNS, ports: [{number: 80, name: http, targetPort: $good}], "
        .. "endpoints: [{address: localhost}]")
      .. service("simple", static "open", tls("mode: SIMPLE, sni: a.test, " .. ca))
      .. service("names", static "open", tls("mode: SIMPLE, sni: a.test, subjectAltNames: [z.test, a.test], " .. ca))
      .. service("wrong", static "open", tls("mode: SIMPLE, sni: a.test, subjectAltNames: [z.test], " .. ca))
      .. service("strange", static "open", tls("mode: SIMPLE, sni: a.test, caCertificates: " .. folder .. "/other.crt"))
      .. service("skips", static "open", tls "mode: SIMPLE, insecureSkipVerify: true")
      .. service("mutual", static "mutual", tls("mode: MUTUAL, sni: a.test, clientCertificate: " .. folder
        .. "/sleep.crt, privateKey: " .. folder .. "/sleep.key, " .. ca))
      .. service("nobody", static "mutual", tls("mode: SIMPLE, sni: a.test, " .. ca)) }
  end)

  teardown(gateway.stop_all)

  local function ask(name, more)
    more = more or {}
    more.host = name .. ".test"
    return assert(gw:ask(more))
  end

  local function bodies(name, n)
    local seen = {}
    for _ = 1, n do seen[ask(name).body] = true end
    return seen
  end

  it("spread requests over the endpoints of a ServiceEntry, or of a subset", function()
    assert.same({ good = true, bad = true }, bodies("plain", 40))
    assert.same({ good = true }, bodies("subset", 10))
    assert.equal("good", ask("named").body)
  end)

  it("leave out who fails", function()
    for _ = 1, 4 do ask "ejects" end
    assert.same({ good = true }, bodies("ejects", 8))
  end)

  it("refuse what is too much", function()
    local function both(name, n)
      local asks, count = {}, {}
      refused = 0
      for i = 1, n do
        asks[i] = function()
          loop.sleep(i * 0.02)
          local response = ask(name, { path = "/wait" })
          if response.status == 503 then refused = refused + 1 end
          return response
        end
      end
      for _, response in ipairs(loop.all(unpack(asks))) do
        count[response.status] = (count[response.status] or 0) + 1
        if response.status == 503 then assert.equal("true", response.headers["x-envoy-overloaded"]) end
      end
      return count
    end
    assert.same({ [200] = 1, [503] = 1 }, both("breaks", 2))
    assert.same({ [200] = 2, [503] = 1 }, both("waits", 3))
  end)

  it("give cookies that lead back", function()
    for _ = 1, 10 do
      local response = ask "sticky"
      local value = response.headers["set-cookie"]:match("^seat=(%x+); Path=/x; HttpOnly$")
      assert.truthy(value)
      assert.equal(response.body, ask("sticky", { headers = { Cookie = "seat=" .. value } }).body)
    end
  end)

  it("speak TLS and verify whom they speak to", function()
    assert.equal("somebody called", ask("simple").body)
    assert.equal("somebody called", ask("names").body)
    assert.equal("somebody called", ask("skips").body)
    assert.equal("sleep called", ask("mutual").body)
    for _, name in ipairs { "wrong", "strange", "nobody" } do
      local response = ask(name)
      assert.equal(503, response.status, name)
      assert.matches("TLS error", response.body, 1, true)
    end
  end)

  it("go to subsets of a guarded service through its listener, which asks its policies", function()
    for _ = 1, 6 do
      assert.equal("good", ask("shop", { path = "/v1" }).body)
      assert.equal("bad", ask("shop", { path = "/v2", headers = { ["X-Moongate-Subset"] = "v1" } }).body)
    end
    assert.is_nil(good:last().headers["x-moongate-subset"])
    local seen = {}
    for _ = 1, 40 do seen[ask("shop", { path = "/", headers = { ["X-Moongate-Subset"] = "v1" } }).body] = true end
    assert.same({ good = true, bad = true }, seen)
    local response = ask("shop", { path = "/v1", method = "DELETE" })
    assert.same({ 403, "RBAC: access denied" }, { response.status, response.body })
  end)
end)
