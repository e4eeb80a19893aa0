local certs = require "spec.support.certs"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "moongate.json"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

describe("the command line", function()
  local folder

  before_each(function() folder = gateway.folder() end)
  after_each(gateway.stop_all)

  local function config(text) return gateway.write(folder .. "/bad.lua", text) end

  it("prints its version and those of its libraries", function()
    local code, text = gateway.run "version"
    assert.equal(0, code)
    assert.truthy(text:find "^moongate %d+%.%d+%.%d+\n")
    for _, library in ipairs { "LuaJIT", "libuv", "llhttp", "mbed TLS" } do
      assert.truthy(text:lower():find(library:lower() .. " v?%d") or text:lower():find(library:lower():gsub(" ", "")),
        library .. " is not in: " .. text)
    end
  end)

  it("explains itself and its policies", function()
    local code, text = gateway.run "help"
    assert.equal(0, code)
    for _, command in ipairs { "run", "check", "version", "help" } do
      assert.truthy(text:find("  " .. command, 1, true))
    end
    code, text = gateway.run("help", "canary")
    assert.equal(0, code)
    assert.truthy(text:find "percent")
  end)

  it("ends with 2 when it is used wrongly", function()
    for _, words in ipairs { {}, { "rum" }, { "run" }, { "run", "--wrkers", "1", "x" },
      { "run", "--workers", "no", "x" }, { "check" }, { "version", "now" },
      { "check", "--policy-path", "nowhere", "x" }, { "run", "--port-offset" } } do
      local code, text = gateway.run(unpack(words))
      assert.equal(2, code, table.concat(words, " "))
      assert.truthy(text:find "Usage:")
    end
    local _, text = gateway.run "rum"
    assert.truthy(text:find("did you mean 'run'", 1, true))
  end)

  it("says that a config is good", function()
    local code, text = gateway.run("check", config [[return {
      listeners = { web = { address = "127.0.0.1:1" } }, services = { a = { endpoints = { { address = "x:1" } } } },
      routes = { { backends = { { service = "a" } } } } }]])
    assert.equal(0, code)
    assert.equal("ok: 1 listener, 1 route, 1 service\n", text)
  end)

  it("prints the conditions of the Gateway API's objects", function()
    gateway.write(folder .. "/gw.yaml", [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, generation: 2}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{name: gone}]}
]])
    local code, text = gateway.run("check", "--status", folder)
    assert.equal(0, code)
    assert.truthy(text:find("kind: Gateway\n  metadata:\n    generation: 2\n    name: gw\n", 1, true), text)
    assert.truthy(text:find('reason: NoMatchingParent\n        status: "False"\n        type: Accepted\n', 1, true),
      text)
    code, text = gateway.run("check", "--status", "--json", folder)
    local list = json.decode(text)
    assert.same({ 0, "List", "Gateway", "HTTPRoute" }, { code, list.kind, list.items[1].kind, list.items[2].kind })
    gateway.write(folder .. "/gw.yaml", [[
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw}
spec: {gatewayClassName: istio, addresses: [{value: 192.0.2.1}], listeners: [{name: http, port: 80, protocol: HTTP}]}
]])
    assert.truthy(select(2, gateway.run("check", "--status", folder)):find("reason: AddressNotUsable", 1, true))
    assert.equal(2, (gateway.run("check", "--status=yes", folder)))
    assert.equal(1, (gateway.run("check", "--status", config "return {}")))
  end)

  it("says all mistakes at once, each with file, line and the name that may be meant", function()
    local path = config [[
return {
  listeners = {
    web = { adress = "127.0.0.1:8080" },
    mesh = { address = "127.0.0.1:8443", tls = { cert = "nowhere.crt", key = "nowhere.key" } },
    bad = { address = "127.0.0.1:99999" },
  },
  services = {
    shop = { endpoints = { { address = "127.0.0.1:1" } }, subsets = { v1 = { version = "v1" } } },
  },
  polices = {},
  routes = {
    { backends = { { service = "shpo" } } },
    { backends = { { service = "shop", subset = "v2" } } },
    { policies = { "rback" }, backends = { { service = "shop" } } },
    { backends = { { service = "shop", weight = 0 } , { service = "shop", weight = 0 } } },
    { policies = { { "fault", delay = { fixed = "soon" } } }, backends = { { service = "shop" } } },
    { timeout = true, backends = { { service = "shop" } } },
  },
}]]
    for _, command in ipairs { "check", "run" } do
      local code, text = gateway.run(command, path)
      assert.equal(1, code)
      local function says(line, what)
        local found
        for one in text:gmatch "[^\n]+" do
          if one:find(path .. ":" .. line .. ": ", 1, true) == 1 and one:find(what, 1, true) then found = true end
        end
        assert.truthy(found, ("line %d does not say %q:\n%s"):format(line, what, text))
      end
      says(3, "did you mean 'address'")
      says(4, "nowhere.crt")
      says(5, "99999")
      says(10, "did you mean 'policies'")
      says(12, "did you mean 'shop'")
      says(13, "v2")
      says(14, "did you mean 'rbac'")
      says(15, "weight")
      says(16, "soon")
      says(17, "timeout")
    end
  end)

  local function says(text, path, line, what)
    for one in text:gmatch "[^\n]+" do
      if one:find(path .. ":" .. line .. ": ", 1, true) == 1 and one:find(what, 1, true) then return true end
    end
    error(("line %d does not say %q:\n%s"):format(line, what, text), 2)
  end

  it("tries certificates, keys and authorities, and says all that is wrong with them beside all else", function()
    certs.make(folder)
    local half = process.file(folder .. "/a.test.crt"):sub(1, 300)
    gateway.write(folder .. "/half.crt", half .. "\n-----END CERTIFICATE-----\n")
    local path = config [[
return {
  listeners = {
    one = { address = "127.0.0.1:1", tls = { cert = "a.test.crt", key = "b.test.key" } },
    two = { address = "127.0.0.1:2", tls = { client_auth = "require", certs = {
      { cert = "half.crt", key = "a.test.key" },
      { cert = "b.test.crt",
        key = "ca.key" }, { cert = "a.test.crt", key = "a.test.key" } },
      client_ca = "half.crt" } },
    three = { address = "127.0.0.1:3", tls = { cert = "a.test.crt", key = "a.test.key", client_auth = "request" } },
    four = { adress = "127.0.0.1:4", tls = { cert = "a.test.key", key = "a.test.crt" } },
  },
  services = { s = { endpoints = { "127.0.0.1:1" }, tls = { ca = "half.crt", cert = "a.test.crt",
    key = "b.test.key" } } },
  routes = {
    { policies = { { "access_log", path = "/nowhere/at/all" } }, backends = { { service = "s" } } },
  },
}]]
    for _, command in ipairs { "check", "run" } do
      local code, text = gateway.run(command, path)
      assert.equal(1, code)
      says(text, path, 3, "listeners.one.tls.key: a.test.crt: the key does not match the certificate")
      says(text, path, 5, "listeners.two.tls.certs[1].cert: half.crt: ")
      says(text, path, 7, "listeners.two.tls.certs[2].key: b.test.crt: the key does not match")
      says(text, path, 8, "listeners.two.tls.client_ca: ")
      says(text, path, 9, "needs 'client_ca'")
      says(text, path, 10, "did you mean 'address'")
      says(text, path, 10, "listeners.four.tls.cert: a.test.key: ")
      says(text, path, 12, "services.s.tls.ca: ")
      says(text, path, 13, "services.s.tls.key: a.test.crt: the key does not match")
      says(text, path, 15, "access_log: /nowhere/at/all")
    end
  end)

  it("does so with the Secrets of manifests", function()
    certs.make(folder)
    local function indented(name) return (process.file(folder .. "/" .. name):gsub("\n", "\n    ")) end
    local yaml = ([[
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: SIMPLE, credentialName: shop}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: default}
spec: {nonsense: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: gw, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  template:
    metadata: {labels: {istio: ingressgateway}}
    spec: {containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata: {name: shop, namespace: default}
stringData:
  tls.crt: |
    %s
  tls.key: |
    %s
]]):format(indented "a.test.crt", indented "b.test.key")
    local path = gateway.write(folder .. "/gw.yaml", yaml)
    local key_line = select(2, yaml:sub(1, yaml:find("  tls.key:", 1, true)):gsub("\n", "")) + 1
    local code, text = gateway.run("check", path)
    assert.equal(1, code)
    says(text, path, 14, "nonsense")
    says(text, path, key_line, "the key does not match the certificate")
  end)

  it("warns of certificates out of their time", function()
    certs.make(folder)
    assert.equal(0, os.execute(("cd '%s' && openssl x509 -req -in a.test.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
      .. "-days -1 -out old.crt 2>/dev/null"):format(folder)))
    local path = config [[
return {
  listeners = { web = { address = "127.0.0.1:1", tls = { cert = "old.crt", key = "a.test.key" } } },
  routes = { { policies = { "respond" } } },
}]]
    local code, text = gateway.run("check", path)
    assert.equal(0, code)
    says(text, path, 2, "warning: listener web: old.crt: the certificate has expired on 2")
  end)

  it("prepares the policies, and says at which use one of them fails", function()
    gateway.write(folder .. "/prepares.lua", [[
local metrics = require "moongate.metrics"
local shared = require "moongate.shared"
local timer = require "moongate.timer"
local prepares = { schema = { { "label", type = "string" } } }
function prepares.prepare(conf)
  if not conf.label then error "there is no label" end
  assert(shared.open("spec", { size = "64KiB" }):set("a", "b"))
  assert(timer.after(0, function() end))
  metrics.counter { name = "spec_total", labels = { conf.label } }:with("x"):add(1)
end
function prepares.request() end
return prepares]])
    local path = config [[
return {
  listeners = { web = { address = "127.0.0.1:1" } }, services = { a = { endpoints = { { address = "x:1" } } } },
  policies = { { "prepares", label = "one" } },
  routes = {
    { policies = { { "prepares", label = "one" } }, backends = { { service = "a" } } },
    { policies = { { "prepares", label = "two" } }, backends = { { service = "a" } } },
    { policies = { "prepares" }, backends = { { service = "a" } } },
    { policies = { { "access_log", path = "/nowhere/at/all" } }, backends = { { service = "a" } } },
  },
}]]
    for _, command in ipairs { "check", "run" } do
      local code, text = gateway.run(command, path, "--policy-path", folder)
      assert.equal(1, code)
      assert.truthy(text:find(path .. ":6: policy 'prepares': ", 1, true), text)
      assert.truthy(text:find(path .. ":7: policy 'prepares': " .. folder .. "/prepares.lua:6: there is no", 1, true))
      assert.truthy(text:find(path .. ":8: policy 'access_log': ", 1, true), text)
      assert.is_nil(text:find(path .. ":[1-5]:"), text)
    end
  end)

  it("refuses settings that workers cannot be told", function()
    gateway.write(folder .. "/compiles.lua", [[
return { schema = { { "label", type = "string" } }, request = function() end,
  check = function(conf) conf.made = { run = print } end }]])
    local path = config [[
return {
  listeners = { web = { address = "127.0.0.1:1" } },
  policies = { { "compiles", label = "one" } }, routes = { { policies = { { "respond" } } } },
}]]
    for _, command in ipairs { "check", "run" } do
      local code, text = gateway.run(command, path, "--policy-path", folder)
      assert.equal(1, code)
      assert.truthy(text:find(path .. ":3: policy 'compiles': check() leaves more than data in its settings "
        .. "(conf.made.run: expected data, got a function); expected prepare() to make that", 1, true), text)
    end
  end)

  it("says where a config does not compile, raises, or is none", function()
    for text, line in pairs { ["return {\n  x = = 1 }"] = 2, ["local a\nreturn a.b"] = 2, ["return 5"] = 1 } do
      local path = config(text)
      local code, said = gateway.run("check", path)
      assert.equal(1, code)
      assert.truthy(said:find(path .. ":" .. line .. ": ", 1, true), said)
    end
    local code, said = gateway.run("check", folder .. "/nowhere.lua")
    assert.equal(1, code)
    assert.truthy(said:find("nowhere.lua", 1, true))
  end)

  it("refuses a port that another process serves", function()
    local gw = gateway.start { config = [[return { listeners = { web = { address = "127.0.0.1:$web" } } }]] }
    local code, text = gateway.run("run", gw.path)
    assert.equal(1, code)
    assert.truthy(text:find "in use")
    assert.truthy(text:find("web", 1, true))
  end)

  it("binds elsewhere by --port-offset, --bind and --admin, which nobody sees", function()
    local gw = gateway.start { args = { "--port-offset", "7", "--bind", "127.0.0.2" }, config = [[return {
      listeners = { web = { address = "127.0.0.1:" .. $web - 7 } },
      admin = { address = "127.0.0.1:" .. $admin - 7 },
      routes = { { policies = { { "rbac", allow = { { ports = { $web - 7 } } } },
        { "respond", body = "here" } } } } }]] }
    assert.equal("here", assert(http.ask("127.0.0.2:" .. gw.ports.web, {})).body)
    assert.equal(200, assert(http.ask(gw.ports.admin, { path = "/healthz/ready" })).status)
  end)

  it("reads a folder of YAML", function()
    local up = upstream.start()
    local gw = gateway.start { run_folder = true, name = "service.yaml", values = { up = up.port }, config = [[
apiVersion: v1
kind: Service
metadata: {name: a}
spec:
  clusterIP: 127.0.0.1
  selector: {app: a}
  ports:
  - {name: http, port: $web}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: a
  labels: {kubernetes.io/service-name: a}
addressType: IPv4
ports:
- {name: http, port: $up}
endpoints:
- addresses: [127.0.0.1]
]] }
    assert.equal("ok", assert(gw:ask {}).body)
  end)

  it("installs, and then runs from anywhere with what is embedded in it", function()
    local build = gateway.binary:match "^(.*)/[^/]*$"
    local said = process.read(("cmake --install '%s' --prefix '%s/usr' 2>&1; echo $?"):format(build, folder))
    assert.truthy(said:find "\n0\n$", said)
    local installed, own = folder .. "/usr/bin/moongate", gateway.binary
    gateway.binary = installed
    finally(function() gateway.binary = own end)
    local raises = "return { schema = {}, request = function() error 'x' end }"
    local gw = gateway.start { files = { ["raises.lua"] = raises },
      args = { "--policy-path", "$folder" }, config = [[return {
      listeners = { web = { address = "127.0.0.1:$web" } }, routes = {
        { policies = { "request_id", { "respond", body = "hello" } } },
        { hosts = { "raises.test" }, policies = { "raises" } } } }]] }
    assert.equal("hello", assert(gw:ask {}).body)
    -- Nothing in the traceback is a file of the tree.
    assert.equal(500, assert(gw:ask { host = "raises.test" }).status)
    local logged = gw:logged "a policy raised"
    assert.truthy(logged:find("lua/moongate/runtime.lua", 1, true))
    assert.is_nil(logged:find("/lua/moongate/runtime.lua", 1, true))
    gw:stop()
  end)
end)
