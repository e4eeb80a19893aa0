--- Istio's Gateway on real sockets: which clients each mode takes, and what is sent on to https.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local mesh = require "spec.support.mesh"
local process = require "spec.support.process"

describe("an Istio Gateway", function()
  local gw, folder

  setup(function()
    folder = certs.make(gateway.folder())
    gw = gateway.start_mesh { values = mesh.pair(folder, "a.test"), config = [[
apiVersion: v1
kind: Secret
metadata: {name: shop}
type: kubernetes.io/tls
stringData:
  tls.crt: |
$cert
  tls.key: |
$key
  ca.crt: |
$ca
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  servers:
  - {port: {number: $simple, name: a, protocol: HTTPS}, hosts: [a.test], tls: {mode: SIMPLE, credentialName: shop}}
  - {port: {number: $mutual, name: b, protocol: HTTPS}, hosts: [a.test], tls: {mode: MUTUAL, credentialName: shop}}
  - port: {number: $optional, name: c, protocol: HTTPS}
    hosts: [a.test]
    tls: {mode: OPTIONAL_MUTUAL, credentialName: shop}
  - {port: {number: $clear, name: d, protocol: HTTP}, hosts: [a.test], tls: {httpsRedirect: true}}
  - {port: {number: $clear, name: e, protocol: HTTP}, hosts: [b.test]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec: {hosts: [a.test, b.test], gateways: [gw], http: [{directResponse: {status: 200}}]}
]] }
  end)

  teardown(gateway.stop_all)

  -- The status that curl gets at a port; "000" when there is no answer.
  local function status(port, as)
    local number = gw.ports[port]
    return process.read(("curl -s --max-time 20 -o /dev/null -w '%%{http_code}' --cacert '%s/ca.crt' %s "
      .. "--resolve 'a.test:%d:127.0.0.1' https://a.test:%d/"):format(folder,
      as and ("--cert '%s/%s.crt' --key '%s/%s.key'"):format(folder, as, folder, as) or "", number, number))
  end

  it("takes the clients that the mode of a server says", function()
    assert.same({ "200", "200" }, { status "simple", status("simple", "sleep") })
    assert.same({ "000", "200", "000" }, { status "mutual", status("mutual", "sleep"), status("mutual", "stranger") })
    assert.same({ "200", "200", "000" },
      { status "optional", status("optional", "sleep"), status("optional", "stranger") })
  end)

  it("sends the hosts of a server that redirects on to https", function()
    local response = assert(gw:ask({ path = "/x?q=1", host = "a.test" }, "clear"))
    assert.same({ 301, "https://a.test/x?q=1" }, { response.status, response.headers.location })
    assert.equal(200, assert(gw:ask({ host = "b.test" }, "clear")).status)
    assert.equal(404, assert(gw:ask({ host = "c.test" }, "clear")).status)
  end)
end)

describe("a Telemetry", function()
  teardown(gateway.stop_all)

  it("logs the requests that its filter asks for, those without a route too", function()
    local gw = gateway.start_mesh { config = [[
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    extensionProviders:
    - {name: lines, envoyFileAccessLog: {logFormat: {text: "line %REQ(:PATH)% %RESPONSE_CODE%\n"}}}
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: mesh, namespace: istio-system}
spec: {accessLogging: [{providers: [{name: lines}], filter: {expression: response.code >= 400}}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec: {servers: [{port: {number: $web, name: a, protocol: HTTP}, hosts: [a.test]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec: {hosts: [a.test], gateways: [gw], http: [{directResponse: {status: 200}}]}
]] }
    assert.equal(200, assert(gw:ask { path = "/good", host = "a.test" }).status)
    assert.equal(404, assert(gw:ask { path = "/bad", host = "b.test" }).status)
    assert.equal(" 404", gw:logged "line /bad")
    assert.is_nil(gw:log():find("line /good", 1, true))
  end)
end)

describe("a row of Istio's metrics", function()
  teardown(gateway.stop_all)

  it("has the labels that its tags say", function()
    local gw = gateway.start { config = [[
      return {
        listeners = { web = { address = "127.0.0.1:$web" } }, admin = { address = "127.0.0.1:$admin" },
        policies = { { "metrics", istio = { more_labels = { "host" }, without = { "istio_response_bytes" }, tags = {
          istio_requests_total = { host = "request.host", response_flags = "" } } } } },
        routes = { { policies = { { "respond" } } } },
      }]] }
    assert.equal(200, assert(gw:ask { host = "a.test" }).status)
    assert.equal(1, gw:counts("istio_requests_total", { host = "a.test" }, 1))
    local text = gw:scrape()
    local line = text:match "\nistio_requests_total(%b{})"
    assert.is_nil(line:find("response_flags", 1, true))
    assert.truthy(line:find('grpc_response_status=""', 1, true))
    local other = text:match "\nistio_request_bytes_count(%b{})"
    assert.truthy(other:find('response_flags="-"', 1, true))
    assert.is_nil(other:find("host=", 1, true))
    assert.is_nil(text:find("istio_response_bytes_count", 1, true))
  end)
end)
