--- PeerAuthentication on real sockets: clear text and TLS at listeners of each mode.
local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local mesh = require "spec.support.mesh"
local process = require "spec.support.process"

describe("a mesh listener", function()
  local gw, folder

  setup(function()
    folder = certs.make(gateway.folder())
    gw = gateway.start_mesh { values = mesh.pair(folder, "sleep"), config = [[
apiVersion: v1
kind: Secret
metadata: {name: istio.default}
type: istio.io/key-and-cert
stringData:
  cert-chain.pem: |
$cert
  key.pem: |
$key
  root-cert.pem: |
$ca
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec:
  clusterIP: 127.0.0.1
  selector: {app: shop}
  ports: [{name: http-a, port: $STRICT}, {name: http-b, port: $PERMISSIVE}, {name: http-c, port: $DISABLE}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec: {selector: {}, template: {metadata: {labels: {app: shop}}}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: shop}
spec:
  selector: {matchLabels: {app: shop}}
  mtls: {mode: STRICT}
  portLevelMtls: {$PERMISSIVE: {mode: PERMISSIVE}, $DISABLE: {mode: DISABLE}}
]] }
  end)

  teardown(gateway.stop_all)

  -- The status that curl gets; "000" when there is no answer. Nobody serves the shop, so one that passes is 503.
  local function status(mode, scheme, options)
    return process.read(("curl -sk --max-time 20 -o /dev/null -w '%%{http_code}' %s %s://127.0.0.1:%d/"):format(
      options or "", scheme, gw.ports[mode]))
  end

  local function as_sleep() return ("--cert %s/sleep.crt --key %s/sleep.key"):format(folder, folder) end

  it("that is strict takes TLS with a certificate alone", function()
    assert.equal("503", status("STRICT", "https", as_sleep()))
    assert.equal("000", status("STRICT", "https"))
    assert.equal("000", status("STRICT", "http"))
  end)

  it("that is permissive takes both", function()
    assert.equal("503", status("PERMISSIVE", "https", as_sleep()))
    assert.equal("503", status("PERMISSIVE", "http"))
  end)

  it("without mutual TLS takes clear text alone", function()
    assert.equal("503", status("DISABLE", "http"))
    assert.equal("000", status("DISABLE", "https", as_sleep()))
  end)
end)
