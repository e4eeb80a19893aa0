--- What Gateway API files promise beyond its conformance cases, on real sockets: TLS on both sides, services in a mesh,
-- filters of one backend, gRPC's paths.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local API = "apiVersion: gateway.networking.k8s.io/v1"

-- One object; its body in flow style.
local function object(kind, name, body, api)
  return ("%s\nkind: %s\nmetadata: {name: %s}\n%s\n---\n"):format(api or API, kind, name, body)
end

-- A Service whose one port (8080, with that name) is at `port`; more of its spec in `more`.
local function service(name, port, port_name, more)
  return object("Service", name, ("spec: {ports: [{port: 8080, name: '%s'}]%s}"):format(port_name or "", more or ""),
    "apiVersion: v1")
    .. ("apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: %s, labels: "
    .. "{kubernetes.io/service-name: %s}}\naddressType: IPv4\nports: [{port: %s, name: '%s'}]\n"
    .. "endpoints: [{addresses: [127.0.0.1]}]\n---\n")
      :format(name, name, port, port_name or "")
end

local function route(name, more, parent)
  return object("HTTPRoute", name, ("spec: {parentRefs: [%s], %s}"):format(parent or "{name: gw}", more))
end

local function indent(text) return (text:gsub("[^\n]+", "    %0")) end

local function secret(name, folder, pair)
  return ("apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n%s"
    .. "  tls.key: |\n%s---\n"):format(name, indent(process.file(folder .. "/" .. pair .. ".crt")),
    indent(process.file(folder .. "/" .. pair .. ".key")))
end

local function authority(name, folder)
  return ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata:\n  ca.crt: |\n%s---\n"):format(name,
    indent(process.file(folder .. "/" .. name .. ".crt")))
end

local function start(text)
  return gateway.start { name = "gw.yaml", config = text, args = { "--admin", "127.0.0.1:" .. net.free_port() } }
end

local HTTP = "{name: http, port: $web, protocol: HTTP}"

local function gateway_of(listeners, more)
  return object("Gateway", "gw", ("spec: {gatewayClassName: moongate, addresses: [{value: 127.0.0.1}], "
    .. "listeners: [%s]%s}"):format(listeners, more or ""))
end

describe("Gateway API files on real sockets:", function()
  local folder, up

  before_each(function() up = upstream.start() end)
  after_each(gateway.stop_all)

  -- ---- TLS --------------------------------------------------------------------------------

  -- A gateway of its own stands for backends that speak TLS: "open", and "mutual" which says who called.
  local function far()
    folder = certs.make(gateway.folder())
    return gateway.start { values = { certs = folder }, config = [[
      local function listener(address, auth)
        return { address = address, tls = { cert = "$certs/a.test.crt", key = "$certs/a.test.key",
          client_ca = auth and "$certs/ca.crt", client_auth = auth } }
      end
      return {
        listeners = { open = listener("127.0.0.1:$open"), mutual = listener("127.0.0.1:$mutual", "require") },
        routes = {
          { listeners = { "open" }, policies = { { "respond", body = "anybody" } } },
          { listeners = { "mutual" }, policies = {
            { "rbac", allow = { { principals = { "cluster.local/ns/default/sa/sleep" } } } },
            { "respond", body = "sleep" } } },
        },
      }]] }
  end

  local function policy(name, validation, target)
    return object("BackendTLSPolicy", name, ("spec: {targetRefs: [{group: '', kind: Service, name: %s}], "
      .. "validation: {%s}}"):format(target or name, validation))
  end

  it("BackendTLSPolicies: backends are called by TLS, and never in clear text", function()
    local there = far()
    local parts = { gateway_of(HTTP), authority("ca", folder), authority("other", folder) }
    local function add(name, validation, port_name)
      parts[#parts + 1] = service(name, there.ports.open, port_name) .. policy(name, validation)
        .. route(name, ("hostnames: [%s.test], rules: [{backendRefs: [{name: %s, port: 8080}]}]"):format(name, name))
    end
    add("good", "hostname: a.test, caCertificateRefs: [{name: ca}]")
    add("https", "hostname: a.test, caCertificateRefs: [{name: ca}]", "https")
    add("wrong-name", "hostname: c.test, caCertificateRefs: [{name: ca}]")
    add("wrong-ca", "hostname: a.test, caCertificateRefs: [{name: other}]")
    add("gone-ca", "hostname: a.test, caCertificateRefs: [{name: gone}]")
    add("san", "hostname: c.test, caCertificateRefs: [{name: ca}], subjectAltNames: [{type: URI, uri: 'spiffe://x/y'}, "
      .. "{type: Hostname, hostname: a.test}]")
    add("wrong-san", "hostname: a.test, caCertificateRefs: [{name: ca}], subjectAltNames: [{type: Hostname, "
      .. "hostname: c.test}]")
    local gw = start(table.concat(parts))
    for name, expected in pairs { good = 200, https = 200, ["wrong-name"] = 503, ["wrong-ca"] = 503, ["gone-ca"] = 503,
      san = 200, ["wrong-san"] = 503 } do
      local answer = assert(gw:ask { host = name .. ".test" })
      assert.same({ expected, expected == 200 and "anybody" }, { answer.status, expected == 200 and answer.body }, name)
    end
  end)

  it("a Gateway names itself to such backends by its own certificate", function()
    local there = far()
    local text = authority("ca", folder) .. secret("me", folder, "sleep") .. service("mutual", there.ports.mutual)
      .. policy("mutual", "hostname: a.test, caCertificateRefs: [{name: ca}]")
      .. route("r", "rules: [{backendRefs: [{name: mutual, port: 8080}]}]")
    local named = start(gateway_of(HTTP, ", tls: {backend: {clientCertificateRef: {name: me}}}") .. text)
    assert.equal("sleep", assert(named:ask { host = "x" }).body)
    assert.equal(503, assert(start(gateway_of(HTTP) .. text):ask { host = "x" }).status)
  end)

  -- The status that curl gets at a port; "000" when the handshake fails.
  local function curl(port, options)
    local out = os.tmpname()
    local p = process.start({ "sh", "-c", ("curl -s -o /dev/null --max-time 20 --cacert '%s/ca.crt' --resolve "
      .. "'a.test:%d:127.0.0.1' -w '%%{http_code}' %s https://a.test:%d/"):format(folder, port, options, port) }, out)
    loop.poll(function() return process.wait(p, 0) end, 30)
    local text = process.file(out)
    os.remove(out)
    return text
  end

  it("HTTPS listeners ask clients for certificates, as the Gateway says for their ports", function()
    folder = certs.make(gateway.folder())
    local function https(name, port)
      return ("{name: %s, port: %s, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}"):format(name, port)
    end
    local gw = start(gateway_of(https("strict", "$strict") .. ", " .. https("loose", "$loose"),
      ", tls: {frontend: {default: {validation: {caCertificateRefs: [{name: ca}]}}, perPort: [{port: $loose, tls: "
        .. "{validation: {caCertificateRefs: [{name: ca}], mode: AllowInsecureFallback}}}]}}")
      .. authority("ca", folder) .. secret("pair", folder, "a.test")
      .. service("up", up.address:match ":(%d+)$") .. route("r", "rules: [{backendRefs: [{name: up, port: 8080}]}]"))
    local function as(name) return ("--cert '%s/%s.crt' --key '%s/%s.key'"):format(folder, name, folder, name) end
    assert.same({ "200", "000", "000" }, { curl(gw.ports.strict, as "sleep"), curl(gw.ports.strict, as "stranger"),
      curl(gw.ports.strict, "") })
    assert.same({ "200", "200", "200" }, { curl(gw.ports.loose, as "sleep"), curl(gw.ports.loose, as "stranger"),
      curl(gw.ports.loose, "") })
  end)

  -- ---- backends ---------------------------------------------------------------------------

  it("a backend's own filters work on its share alone, with the request's body too", function()
    local shadow = upstream.start(function(request) return { body = request:read().body } end)
    up.answer = function(request)
      return { body = request:read().body .. " " .. (request.headers["x-share"] or "-") }
    end
    local gw = start(gateway_of(HTTP) .. service("up", up.address:match ":(%d+)$")
      .. service("shadow", shadow.address:match ":(%d+)$")
      .. route("both", "hostnames: [both.test], rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: "
        .. "{name: shadow, port: 8080}}}], backendRefs: [{name: up, port: 8080, filters: ["
        .. "{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-share, value: mine}]}}, "
        .. "{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 8080}}}]}]}]")
      .. route("none", "hostnames: [none.test], rules: [{backendRefs: [{name: up, port: 8080}, {name: up, port: 8080, "
        .. "weight: 0, filters: [{type: RequestMirror, requestMirror: {backendRef: {name: shadow, port: 8080}}}]}]}]"))
    assert.equal("hello mine", assert(gw:ask { method = "POST", host = "both.test", body = "hello" }).body)
    assert.truthy(loop.poll(function() return #shadow.requests == 2 and shadow.requests[2].body end, 5))
    assert.same({ "hello", "hello" }, { shadow.requests[1].body, shadow.requests[2].body })
    local shares = { shadow.requests[1].headers["x-share"] or "-", shadow.requests[2].headers["x-share"] or "-" }
    table.sort(shares)
    assert.same({ "-", "mine" }, shares)
    assert.equal("hello -", assert(gw:ask { method = "POST", host = "none.test", body = "hello" }).body)
    assert.equal(2, #shadow.requests)
  end)

  it("another service says whether a request may pass", function()
    local asked = upstream.start(function(request)
      return { status = request.headers["x-token"] == "good" and 200 or 401, headers = { ["x-user"] = "amy" } }
    end)
    up.answer = function(request) return { body = "for " .. (request.headers["x-user"] or "nobody") } end
    local gw = start(gateway_of(HTTP) .. service("up", up.address:match ":(%d+)$")
      .. service("asked", asked.address:match ":(%d+)$")
      .. route("r", "rules: [{filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: asked, "
        .. "port: 8080}, http: {path: /check, allowedHeaders: [x-token], allowedResponseHeaders: [x-user]}}}], "
        .. "backendRefs: [{name: up, port: 8080}]}]"))
    assert.equal("for amy", assert(gw:ask { path = "/a", host = "x", headers = { ["x-token"] = "good" } }).body)
    assert.equal("/check/a", asked:last().target)
    assert.equal(401, assert(gw:ask { path = "/a", host = "x" }).status)
    assert.equal(1, #up.requests)
  end)

  it("GRPCRoutes route calls by service and method", function()
    up.answer = function(request) return { body = "got " .. request:read().target } end
    local gw = start(gateway_of(HTTP) .. service("up", up.address:match ":(%d+)$")
      .. object("GRPCRoute", "g", [[
spec:
  parentRefs: [{name: gw}]
  rules:
  - {matches: [{method: {service: a.Shop, method: Buy}}], backendRefs: [{name: up, port: 8080}]}
  - matches: [{method: {service: a.Stock}, headers: [{name: x-user, value: amy}]}]
    backendRefs: [{name: up, port: 8080}]
  - {matches: [{method: {method: Ping}}], backendRefs: [{name: up, port: 8080}]}]]))
    for _, row in ipairs {
      { 200, "POST", "/a.Shop/Buy" }, { 404, "POST", "/a.Shop/Sell" }, { 404, "GET", "/a.Shop/Buy" },
      { 200, "POST", "/a.Stock/Count", "amy" }, { 404, "POST", "/a.Stock/Count" }, { 404, "POST", "/a.Stocks/Count",
        "amy" }, { 200, "POST", "/x.Y/Ping" }, { 404, "POST", "/x.Y/Pinged" }, { 404, "POST", "/x/y/Ping" },
    } do
      local answer = assert(gw:ask { method = row[2], path = row[3], host = "x", headers = { ["x-user"] = row[4] },
        body = row[2] == "POST" and "x" or nil })
      assert.equal(row[1], answer.status, row[2] .. " " .. row[3])
    end
  end)

  -- ---- the mesh ---------------------------------------------------------------------------

  it("routes of a service take what is sent to its address, whatever the Host header says", function()
    local other = upstream.start(function(request) return { body = "other " .. request:read().target } end)
    up.answer = function(request) return { body = "up " .. request:read().target } end
    local parent = "{group: '', kind: Service, name: up%s}"
    local function in_mesh(name, address)
      return (service(name, address:match ":(%d+)$", "", ", clusterIP: 127.0.0.1"):gsub("port: 8080", "port: $" .. name,
        1))
    end
    local gw = start(in_mesh("up", up.address) .. in_mesh("other", other.address)
      .. route("r", "hostnames: [not.counted], rules: [{matches: [{path: {value: /other}}], backendRefs: [{name: "
        .. "other, port: $other}]}, {matches: [{path: {type: Exact, value: /set}}], filters: [{type: "
        .. "ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-set, value: yes-1}]}}], "
        .. "backendRefs: [{name: up, port: $up}]}]",
        parent:format "")
      .. route("elsewhere", "rules: [{backendRefs: [{name: up, port: $up}]}]", parent:format ", port: 1"))
    local function ask(name, path)
      local answer = assert(gw:ask({ path = path, host = "any" }, name))
      return answer.status == 200 and answer.body or answer.status, answer.headers["x-set"]
    end
    assert.same({ "up /set", "yes-1" }, { ask("up", "/set") })
    assert.same({ "other /other/x" }, { ask("up", "/other/x") })
    assert.same({ 404 }, { ask("up", "/none") })
    assert.same({ "other /set" }, { ask("other", "/set") }) -- the routes of one service are not another's
  end)

  -- Nobody serves the service, so what no route of the namespace default takes is 503.
  it("routes of another namespace take what its workloads send to a service, told by their certificates", function()
    folder = certs.make(gateway.folder())
    local identity = secret("istio.default", folder, "sleep"):gsub("kubernetes.io/tls", "istio.io/key-and-cert")
      :gsub("tls.crt", "cert-chain.pem"):gsub("tls.key", "key.pem"):gsub("%-%-%-\n$", "")
      .. "  root-cert.pem: |\n" .. indent(process.file(folder .. "/ca.crt")) .. "---\n"
    local function in_shop(text) return (text:gsub("metadata: {name: ([%w.-]+)", "%0, namespace: shop")) end
    local gw = start(in_shop(identity
        .. object("Service", "shop", "spec: {clusterIP: 127.0.0.1, selector: {app: shop}, ports: [{port: $shop}]}",
          "apiVersion: v1")
        .. object("Deployment", "shop", "spec: {selector: {}, template: {metadata: {labels: {app: shop}}}}",
          "apiVersion: apps/v1"))
      .. route("r", "rules: [{matches: [{path: {value: /a}}], filters: [{type: RequestRedirect, "
        .. "requestRedirect: {port: 1}}]}]", "{group: '', kind: Service, name: shop, namespace: shop}"))
    local function ask(scheme, path, options)
      return process.read(("curl -sk --max-time 20 -o /dev/null -w '%%{http_code}' %s %s://127.0.0.1:%d%s"):format(
        options or "", scheme, gw.ports.shop, path))
    end
    local as_sleep = ("--cert %s/sleep.crt --key %s/sleep.key"):format(folder, folder) -- of the namespace default
    assert.same({ "302", "404" }, { ask("https", "/a", as_sleep), ask("https", "/none", as_sleep) })
    assert.same({ "503", "503" }, { ask("https", "/a"), ask("http", "/a") })
  end)
end)
