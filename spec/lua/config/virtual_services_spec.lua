local fake = require "spec.support.fake_ctx"
local manifest = require "spec.support.manifest"
local router = require "moongate.router"

local routes_at = manifest.routes_at

-- Services a (subsets v1 and v2) and b of the namespace shop, a waypoint for them, a gateway in istio-system.
local BASE = [[
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/use-waypoint: wp}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: shop}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: v1
kind: Service
metadata: {name: a, namespace: shop}
spec: {clusterIP: 127.0.10.1, ports: [{name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: b, namespace: shop}
spec: {clusterIP: 127.0.10.2, ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a, namespace: shop, labels: {kubernetes.io/service-name: a}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [127.0.11.1]}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: shop}
spec: {host: a, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingress}}
  template: {metadata: {labels: {istio: ingress, tier: edge}}, spec: {containers: []}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw, namespace: istio-system}
spec:
  selector: {istio: ingress}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
---
]]
local MESH, INGRESS = "mesh a.shop.svc.cluster.local:80", "ingress 0.0.0.0:80"

-- A VirtualService; `spec` is its YAML, indented by two.
local function virtual_service(name, spec, namespace)
  local head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: %s, namespace: %s}\n"
  return (head .. "spec:\n%s\n---\n"):format(name, namespace or "shop", spec)
end

-- Loads the base and `text`: the model, errors and warnings as texts; lines count from the beginning of `text`.
local function load(text) return manifest.load_after(BASE, text) end

local function loaded(text)
  local model, errors, warnings = load(text)
  assert.same({}, errors)
  return model, warnings
end

-- The routes of a in the mesh, by the `http` of one VirtualService.
local function mesh_routes(http)
  local model, warnings = loaded(virtual_service("v", "  hosts: [a]\n  http:\n" .. http))
  return routes_at(model, MESH), warnings, model
end

-- The first message about the `http` of a VirtualService.
local function refusal(http)
  local model, errors = load(virtual_service("v", "  hosts: [a]\n  http:\n" .. http))
  assert.is_nil(model)
  return errors[1]
end

local ROUTE = "\n    route: [{destination: {host: a}}]\n"

local function use_of(route, name, nth)
  for _, use in ipairs(route.policies) do
    nth = (nth or 1) - (use.name == name and 1 or 0)
    if nth == 0 and use.name == name then return use end
  end
end

local function conf_of(http, name)
  local use = use_of(mesh_routes(http)[1], name)
  return use and use.conf
end

-- The name, without its beginning, of the route that takes a request at a listener.
local function taken(model, listener, request)
  for i, one in ipairs(model.listeners) do
    if one.name == listener then
      local found = router.new(model):match(i - 1, fake.new(request).req)
      return found and (found.name:match("%S+/([^/]+)$") or found.name)
    end
  end
end

-- What the gateway's policies make of a request on a route: ctx, and an answer if one came.
local function run(route, request)
  local ctx, answer = fake.new(request), nil
  for _, use in ipairs(route.policies) do
    local module = require("policies." .. use.name)
    local conf = module.prepare and module.prepare(use.conf) or use.conf
    if not answer and module.request and use.name ~= "metrics" then answer = module.request(conf, ctx) end
  end
  return ctx, answer
end

describe("VirtualServices match", function()
  -- What a match asks, a request, and whether it is taken.
  for _, row in ipairs {
    { "uri: {prefix: /foo}", { path = "/foobar" }, true }, -- a prefix of the text
    { "uri: {prefix: /foo}", { path = "/Foo" }, false },
    { "uri: {prefix: /foo}, ignoreUriCase: true", { path = "/FOObar" }, true },
    { "uri: {exact: /foo}", { path = "/foo/" }, false },
    { "uri: {exact: /Foo}, ignoreUriCase: true", { path = "/fOO" }, true },
    { "uri: {regex: '/v[0-9]+/.*'}", { path = "/v1/x", query = "q" }, true },
    { "uri: {regex: '/v[0-9]+'}", { path = "/v1/x" }, false }, -- the whole value
    { "uri: {regex: '/V1'}, ignoreUriCase: true", { path = "/v1" }, false }, -- exact and prefix only
    { "scheme: {exact: https}", {}, false }, { "scheme: {exact: http}", {}, true },
    { "method: {prefix: P}", { method = "PUT" }, true }, { "method: {regex: 'GET|PUT'}", { method = "GET" }, true },
    { "method: {regex: 'GET|PUT'}", { method = "POST" }, false }, { "method: {exact: get}", {}, false },
    { "authority: {exact: 'a:80'}", { authority = "a:80" }, true },
    { "authority: {exact: a}", { authority = "a:80" }, false }, -- as sent, with the port
    { "headers: {X-User: {exact: Amy}}", { headers = { ["x-user"] = "Amy" } }, true },
    { "headers: {x-user: {exact: amy}}", { headers = { ["x-user"] = "Amy" } }, false },
    { "headers: {x-user: {regex: '(?i)amy'}}", { headers = { ["x-user"] = "AMY" } }, true },
    { "headers: {x-user: {}}", { headers = { ["x-user"] = "" } }, true }, { "headers: {x-user: {}}", {}, false },
    { "headers: {x-user: {regex: '*'}}", { headers = { ["x-user"] = "x" } }, true },
    { "headers: {x-user: {regex: '*'}}", {}, false },
    { "headers: {uri: {exact: /x}, authority: {exact: x}}", {}, true }, -- ignored
    { "withoutHeaders: {x-user: {exact: Amy}}", {}, true },
    { "withoutHeaders: {x-user: {exact: Amy}}", { headers = { ["x-user"] = "Amy" } }, false },
    { "withoutHeaders: {x-user: {regex: '.*'}}", {}, false }, -- what is missing counts as empty
    { "withoutHeaders: {x-user: {}}", {}, true },
    { "withoutHeaders: {x-user: {}}", { headers = { ["x-user"] = "" } }, false },
    { "queryParams: {key: {exact: ''}}", { query = "key" }, true }, { "queryParams: {key: {}}", {}, false },
    { "queryParams: {key: {exact: b}}", { query = "key=a&key=b" }, false }, -- the first counts
    { "queryParams: {key: {regex: '[0-9]+'}}", { query = "key=12" }, true },
    { "port: 80", {}, true }, { "port: 81", {}, false }, { "gateways: [mesh]", {}, true },
    { "gateways: [istio-system/gw]", {}, false }, { "sourceLabels: {app: x}", {}, false },
    { "sourceNamespace: shop", {}, false }, { "sourceLabels: {}, sourceNamespace: ''", {}, true },
    { "statPrefix: x, name: m", {}, true },
  } do
    it(("%s: %s %s"):format(row[1], row[3] and "takes" or "leaves", row[2].path or "a request"), function()
      local spec = "  hosts: [a]\n  http:\n  - name: asked\n    match: [{%s}]%s  - name: other%s"
      local model = loaded(virtual_service("v", spec:format(row[1], ROUTE, ROUTE)))
      local name = row[1]:find("name: m", 1, true) and "asked.m" or "asked"
      assert.equal(row[3] and name or "other", taken(model, MESH, row[2]))
    end)
  end

  it("in the order written, not by what they ask for", function()
    local model = loaded(virtual_service("v", "  hosts: [a]\n  http:\n  - name: short\n    match: [{uri: {prefix: /a}}]"
      .. ROUTE .. "  - name: long\n    match: [{uri: {exact: /ab}}]" .. ROUTE))
    assert.equal("short", taken(model, MESH, { path = "/ab" }))
    assert.truthy(taken(model, MESH, { path = "/c" }):find("no route$"))
  end)

  it("by labels and namespace of a gateway's pods", function()
    local function at_gateway(match)
      local model = loaded(virtual_service("v", "  hosts: [x.test]\n  gateways: [istio-system/gw]\n  http:\n"
        .. "  - name: asked\n    match: [{" .. match .. "}]" .. ROUTE))
      return taken(model, INGRESS, { authority = "x.test" })
    end
    assert.equal("asked", at_gateway "sourceLabels: {tier: edge}")
    assert.is_nil(at_gateway "sourceLabels: {tier: core}")
    assert.equal("asked", at_gateway "sourceNamespace: istio-system")
    assert.is_nil(at_gateway "sourceNamespace: shop")
    assert.equal("asked", at_gateway "gateways: [istio-system/gw], sourceLabels: {tier: core}") -- gateways alone count
  end)

  it("by the claims of a token, at gateways", function()
    local model, warnings = loaded(virtual_service("v", "  hosts: [x.test, a]\n  gateways: [istio-system/gw, mesh]\n"
      .. "  http:\n  - match: [{headers: {'@request.auth.claims.group.id': {exact: one}, "
      .. "'@request.auth.claims[a.b][c]': {}}, withoutHeaders: {'@request.auth.claims.bad': {prefix: x}}}]"
      .. ROUTE .. "  - name: rest" .. ROUTE))
    assert.same({ { path = { "group", "id" }, exact = "one" }, { path = { "a.b", "c" }, present = true },
      { path = { "bad" }, prefix = "x", invert = true } }, routes_at(model, INGRESS)[1].matches[1].claims)
    assert.equal(1, #routes_at(model, MESH))
    local text = table.concat(warnings, "\n")
    assert.truthy(text:find("which count at gateways only", 1, true), text)
    assert.truthy(text:find("no RequestAuthentication checks any at the gateway", 1, true), text)
  end)

  it("and are refused where they say what is no match", function()
    for match, message in pairs {
      ["uri: {exact: /a, prefix: /b}"] = "uri: expected one of exact, prefix and regex, found several",
      ["uri: {}"] = "uri: expected exact, prefix or regex",
      ["headers: {a: {prefix: ''}}"] = "headers.a.prefix: expected a text; {} means that it is there",
      ["method: {prefix: ''}"] = "method.prefix: expected a text; {} means that it is there",
      ["headers: {a: ~}"] = "headers.a: expected a value, found null",
      ["uri: {regex: '(?=a)'}"] = 'uri.regex: bad regular expression "(?=a)"; invalid perl operator: (?=',
      ["queryParams: {q: {regex: '*a'}}"] = 'queryParams.q.regex: bad regular expression "*a"; '
        .. "no argument for repetition operator: *",
      ["headers: {'@request.auth.claims.group': {regex: '('}}"] = 'headers["@request.auth.claims.group"].regex: bad '
        .. 'regular expression "("; missing ): (',
    } do
      assert.equal("7: VirtualService v: spec.http[0].match[0]." .. message,
        refusal("  - match: [{" .. match .. "}]" .. ROUTE))
    end
  end)
end)

describe("VirtualServices answer", function()
  local function location(redirect, request, match)
    local http = "  - match: [{uri: {%s}}]\n    redirect: {%s}\n"
    local route = mesh_routes(http:format(match or "prefix: /", redirect))[1]
    local _, answer = run(route, request or { path = "/a", query = "q=1", authority = "a:8080", port = 80 })
    return answer.headers.location, answer.status
  end

  it("by redirects that take from the request what they leave out", function()
    assert.same({ "http://b.test/a?q=1", 301 }, { location "authority: b.test" })
    assert.same({ "http://a:8080/new?q=1", 308 }, { location "uri: /new, redirectCode: 308" })
    assert.same({ "http://a:8080/new?x=2", 301 }, { location "uri: '/new?x=2'" })
    assert.same({ "https://a:8080/a?q=1", 302 }, { location "scheme: https, redirectCode: 302" })
    assert.equal("https://a/a", (location("scheme: https", { path = "/a", authority = "a:80", port = 80 })))
  end)

  it("by redirects to another port", function()
    assert.equal("http://a:81/a?q=1", (location "port: 81"))
    assert.equal("http://a/a?q=1", (location "port: 80"))
    assert.equal("https://a/a?q=1", (location "port: 443, scheme: https"))
    assert.equal("http://a/a?q=1", (location "derivePort: FROM_REQUEST_PORT"))
    assert.equal("https://a:80/a?q=1", (location "derivePort: FROM_REQUEST_PORT, scheme: https"))
    assert.equal("http://a/a?q=1", (location "derivePort: FROM_PROTOCOL_DEFAULT"))
    assert.equal("https://a/a?q=1", (location "derivePort: FROM_PROTOCOL_DEFAULT, scheme: https"))
  end)

  it("by redirects that replace the matched prefix", function()
    local request = { path = "/old/x", authority = "a", port = 80 }
    assert.equal("http://a/new/x", (location("uri: '%PREFIX()%/new'", request, "prefix: /old")))
    assert.equal("http://a/new/x", (location("prefixRewrite: /new", request, "prefix: /old")))
    assert.equal("http://a/new", (location("uri: /new", request, "prefix: /old")))
  end)

  it("by a status and a body, with the route's header changes", function()
    local routes = mesh_routes("  - directResponse: {status: 418, body: {bytes: aGk=}}\n"
      .. "    headers: {response: {set: {x-tea: 'yes'}}}\n")
    assert.same({ 418, "hi" }, { use_of(routes[1], "respond").conf.status, use_of(routes[1], "respond").conf.body })
    assert.equal("headers", routes[1].policies[#routes[1].policies - 1].name)
    assert.same({}, routes[1].backends)
  end)

  it("unless they say too much or too little", function()
    for http, message in pairs {
      ["  - redirect: {uri: /a}" .. ROUTE] = ": expected one of route, redirect and directResponse, found several",
      ["  - name: x\n"] = ": expected route with at least one destination, redirect or directResponse",
      ["  - redirect: {uri: a}\n"] = ".redirect.uri: expected a path that starts with '/', got \"a\"",
      ["  - redirect: {uri: /a, prefixRewrite: /b}\n"] = ".redirect.prefixRewrite: expected one of uri and "
        .. "prefixRewrite, found both",
      ["  - redirect: {}\n"] = ".redirect: expected uri, prefixRewrite, authority, scheme or port",
      ["  - match: [{uri: {exact: /a}}]\n    redirect: {prefixRewrite: /b}\n"] =
        ".redirect.prefixRewrite: needs matches whose uri is a prefix",
      ["  - redirect: {port: 81, derivePort: FROM_REQUEST_PORT}\n"] = ".redirect.derivePort: expected one of port and "
        .. "derivePort, found both",
      ["  - redirect: {redirectCode: 304}\n"] = ".redirect.redirectCode: expected one of '0', '301', '302'",
      ["  - redirect: {uri: /a}\n    fault: {abort: {httpStatus: 500}}\n"] = ".fault: cannot stand beside redirect",
      ["  - directResponse: {status: 600}\n"] = ".directResponse.status: expected a value of at most 599",
      ["  - directResponse: {status: 200, body: {bytes: '%'}}\n"] = ".directResponse.body.bytes: expected base64",
    } do
      local found = refusal(http):match("spec%.http%[0%](.*)$")
      assert.equal(message, found and found:sub(1, #message))
    end
  end)
end)

describe("VirtualServices rewrite", function()
  local function rewritten(match, rewrite, path)
    local route = mesh_routes(("  - match: [%s]\n    rewrite: {%s}%s"):format(match, rewrite, ROUTE))[1]
    return run(route, { path = path, query = "q=1" }).req
  end

  -- match, rewrite, path, the new path
  for _, row in ipairs {
    { "{uri: {prefix: /foo}}", "uri: /", "/foo/bar", "//bar" },
    { "{uri: {prefix: /foo/}}", "uri: /", "/foo/bar", "/bar" },
    { "{uri: {prefix: /foo}}", "uri: /x", "/foobar", "/xbar" }, { "{headers: {}}", "uri: /v1", "/x", "/v1x" },
    { "{uri: {prefix: /Foo}, ignoreUriCase: true}", "uri: /x", "/fOO/a", "/x/a" },
    { "{uri: {exact: /foo}}", "uri: /x", "/foo", "/x" }, { "{uri: {regex: '/f.*'}}", "uri: /x", "/foo/a", "/x" },
    { "{uri: {prefix: /}}", [[uriRegexRewrite: {match: '/([a-z]+)/v([0-9])', rewrite: '/\2/\1'}]], "/a/v1/b/v2",
      "/1/a/2/b" },
    { "{uri: {prefix: /}}", "uriRegexRewrite: {match: '^/api', rewrite: '/'}", "/api", "/" },
    { "{uri: {prefix: /a}}, {uri: {prefix: /b}}", "uri: /x", "/a/1", "/x/1" },
  } do
    it(("%s by %s: %s to %s"):format(unpack(row)), function()
      local req = rewritten(row[1], row[2], row[3])
      assert.same({ row[4], "q=1", row[3] .. "?q=1" }, { req.path, req.query, req.headers["x-envoy-original-path"] })
    end)
  end

  it("the prefix of each match", function()
    local http = "  - match: [{uri: {prefix: /a}}, {uri: {prefix: /bc}}]\n    rewrite: {uri: /x}" .. ROUTE
    assert.equal("/x/1", run(mesh_routes(http)[2], { path = "/bc/1" }).req.path)
  end)

  it("the authority, by name or by a header", function()
    assert.equal("b:81", rewritten("{uri: {prefix: /}}", "authority: 'b:81'", "/").authority)
    for _, name in ipairs { "Host", "':authority'" } do
      local route = mesh_routes(("  - headers: {request: {set: {%s: b.test}}}%s"):format(name, ROUTE))[1]
      assert.equal("b.test", run(route, {}).req.authority)
    end
    local one = mesh_routes("  - route: [{destination: {host: a}, headers: {request: {set: {host: b.test}}}}]\n")[1]
    assert.equal("b.test", run(one, {}).req.authority)
  end)

  it("and refuse what is none", function()
    for rewrite, message in pairs {
      ["{}"] = "expected uri, authority or uriRegexRewrite",
      ["{uri: /a, uriRegexRewrite: {match: a, rewrite: b}}"] = "expected one of uri and uriRegexRewrite, found both",
      ["{uriRegexRewrite: {match: a, rewrite: ''}}"] = "uriRegexRewrite.rewrite: expected a length of at least 1",
      ["{uriRegexRewrite: {match: a}}"] = "uriRegexRewrite: 'rewrite' is missing",
      ["{uriRegexRewrite: {match: '(', rewrite: b}}"] = 'uriRegexRewrite.match: bad regular expression "("',
      [ [[{uriRegexRewrite: {match: 'a', rewrite: '\1'}}]] ] = "regex.rewrite: ",
      ["{authority: a}\n    headers: {request: {set: {host: b}}}"] = "names the authority of its requests more than",
    } do
      assert.truthy(refusal("  - rewrite: " .. rewrite .. ROUTE):find(message, 1, true), message)
    end
  end)
end)

describe("VirtualServices change headers", function()
  local function requested(http, headers)
    return run(mesh_routes(http)[1], { headers = headers, peer = { address = "10.0.0.1", port = 5 } }).req.headers
  end

  it("first removing, then setting, then adding", function()
    local headers = requested("  - headers: {request: {remove: [x-a, host], set: {x-b: '2'}, add: {x-a: '3', "
      .. "':path': /x}}}" .. ROUTE, { ["x-a"] = "1", ["x-b"] = { "1", "1" } })
    assert.same({ { "3" }, { "2" } }, { headers:get_all "x-a", headers:get_all "x-b" })
  end)

  it("with Envoy's operators in values", function()
    local headers = requested("  - headers: {request: {set: {x-a: '%REQ(X-B)%-100%%', x-d: "
      .. "'%DOWNSTREAM_REMOTE_ADDRESS%', x-e: '%REQ(none)%'}}}" .. ROUTE, { ["x-b"] = "b", ["x-e"] = "kept" })
    assert.same({ "b-100%", "10.0.0.1:5", "kept" }, { headers["x-a"], headers["x-d"], headers["x-e"] })
    local refused = refusal("  - headers: {request: {set: {x-a: '%NONE%'}}}" .. ROUTE)
    assert.truthy(refused:find("unknown operator %NONE%", 1, true))
  end)

  it("the destination's word counts, for requests and responses", function()
    local one = "  - headers: {request: {set: {x-a: r, x-b: r}}, response: {set: {x-a: r, x-b: r}}}\n    route:\n"
      .. "    - {destination: {host: a}, headers: {request: {set: {x-a: d}, remove: [x-b]}, "
      .. "response: {set: {x-a: d}}}}\n"
    local headers = requested(one)
    assert.same({ "d", "r" }, { headers["x-a"], headers["x-b"] }) -- what one removes is gone before the other sets
    local policies = mesh_routes(one)[1].policies
    local answered = fake.new()
    for i = #policies, 1, -1 do
      local module = require("policies." .. policies[i].name)
      if policies[i].name == "headers" then module.response(module.prepare(policies[i].conf), answered) end
    end
    assert.same({ { "d" }, { "r" } }, { answered.res.headers:get_all "x-a", answered.res.headers:get_all "x-b" })
  end)

  it("of several destinations each its own", function()
    local route = mesh_routes("  - headers: {response: {set: {x-a: r}}}\n    route:\n"
      .. "    - {destination: {host: a, subset: v1}, weight: 1, headers: {response: {set: {x-a: d}}, request: "
      .. "{set: {host: b}}}}\n    - {destination: {host: a, subset: v2}, weight: 3}\n")[1]
    local names = {}
    for _, use in ipairs(route.backends[1].policies) do names[#names + 1] = use.name end
    assert.same({ "headers", "headers", "rewrite" }, names)
    assert.same({ "d", "r" }, { route.backends[1].policies[1].conf.response.set["x-a"],
      route.backends[1].policies[2].conf.response.set["x-a"] })
    assert.equal("r", route.backends[2].policies[1].conf.response.set["x-a"])
    assert.is_nil(use_of(route, "headers"))
  end)
end)

describe("VirtualServices send", function()
  it("by weight, where one destination takes all and 0 of several nothing", function()
    local function weights(list)
      local found = {}
      for i, backend in ipairs(mesh_routes("  - route:\n" .. list)[1].backends) do found[i] = backend.weight end
      return found
    end
    assert.same({ 1 }, weights "    - {destination: {host: a}, weight: 0}\n")
    assert.same({ 3, 5 }, weights("    - {destination: {host: a, subset: v1}, weight: 3}\n"
      .. "    - {destination: {host: a}}\n    - {destination: {host: a, subset: v2}, weight: 5}\n"))
    assert.truthy(refusal("  - route: [{destination: {host: a}}, {destination: {host: a, subset: v1}}]\n")
      :find("the weights add up to 0", 1, true))
  end)

  it("again by default, as they say, or not at all", function()
    local function retries(text)
      local route = mesh_routes("  -" .. text .. ROUTE)[1]
      return route.retries, route.per_try_timeout
    end
    assert.same({ "connect-failure", "unavailable", "cancelled" }, retries " timeout: 0s".on)
    assert.equal(2, retries " timeout: 0s".attempts)
    assert.same({}, { retries " retries: {attempts: 0}" })
    for _, more in ipairs { "perTryTimeout: 1s", "retryRemoteLocalities: false" } do
      assert.truthy(refusal(("  - retries: {attempts: 0, %s}"):format(more) .. ROUTE)
        :find("retries.attempts: is 0, so there are no retries", 1, true))
    end
    assert.truthy(refusal("  - retries: {retryOn: 5xx}" .. ROUTE):find("retries.attempts: is 0", 1, true))
    local made, per_try = retries(" retries: {attempts: 3, perTryTimeout: 2s, backoff: 40ms, retryIgnorePreviousHosts: "
      .. "false, retryRemoteLocalities: true, retryOn: 'gateway-error, 503,refused-stream,internal,"
      .. "reset-before-request'}")
    assert.same({ 3, { "gateway-error", "503", "internal", "connect-failure" }, 40, 400, false, 2000 },
      { made.attempts, made.on, made.back_off, made.max_back_off, made.avoid_tried, per_try })
    assert.same({ "connect-failure", "unavailable", "cancelled" }, retries(" retries: {attempts: 1}").on)
    local refused = refusal("  - retries: {attempts: 1, retryOn: sometimes}" .. ROUTE)
    assert.truthy(refused:find("sometimes is no condition", 1, true))
  end)

  it("copies, of all requests unless a share is said", function()
    local function copies(text)
      local list, route = {}, mesh_routes("  -" .. text .. ROUTE)[1]
      for _, use in ipairs(route.policies) do
        if use.name == "mirror" then list[#list + 1] = { use.conf.service, use.conf.subset or "", use.conf.percent } end
      end
      return list
    end
    local a, b = "a.shop.svc.cluster.local:80", "b.shop.svc.cluster.local:80 as nobody"
    assert.same({ { a, "v2", 100 } }, copies " mirror: {host: a, subset: v2}")
    assert.same({ { a, "", 2.5 } }, copies " mirror: {host: a}\n    mirrorPercentage: {value: 2.5}")
    assert.same({ { a, "", 7 } }, copies " mirror: {host: a}\n    mirrorPercent: 7")
    assert.same({}, copies " mirror: {host: a}\n    mirrorPercentage: {value: 0}")
    assert.same({ { a, "", 100 }, { b, "", 50 } },
      copies " mirrors: [{destination: {host: a}}, {destination: {host: b}, percentage: {value: 50}}]")
  end)

  it("after faults, whose missing share is none", function()
    local ABORT = "  - fault: {abort: {httpStatus: 503%s}}" .. ROUTE
    assert.is_nil(conf_of(ABORT:format "", "fault"))
    assert.equal(40, conf_of(ABORT:format ", percentage: {value: 40}", "fault").abort.percent)
    assert.equal(30, conf_of("  - fault: {delay: {fixedDelay: 5s, percent: 30}}" .. ROUTE, "fault").delay.percent)
    local http = "  - fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}" .. ROUTE
    assert.equal(14, conf_of(http, "fault").abort.grpc_status)
    for fault, message in pairs {
      ["{abort: {grpcStatus: BAD, percentage: {value: 1}}}"] = "BAD is no gRPC status",
      ["{abort: {grpcStatus: OK, httpStatus: 200}}"] = "expected one of httpStatus and grpcStatus",
      ["{abort: {http2Error: x}}"] = "http2Error: is not supported yet",
      ["{delay: {fixedDelay: 1s, exponentialDelay: 1s}}"] = "exponentialDelay: is not supported yet",
      ["{}"] = "expected delay or abort",
      ["{abort: {httpStatus: 500, percentage: {value: 0.00001}}}"] = "abort.percentage.value: expected 0, or at least",
      ["{delay: {fixedDelay: 0s}}"] = "delay.fixedDelay: expected at least 1ms",
    } do
      assert.truthy(refusal("  - fault: " .. fault .. ROUTE):find(message, 1, true), message)
    end
  end)

  it("with answers to browsers as Envoy writes them", function()
    local http = "  - corsPolicy: {allowOrigins: [{exact: 'https://a.test'}, {prefix: 'https://b.'}, {regex: "
      .. "'https://[cd]\\.test'}], allowMethods: [GET, '*'], allowHeaders: [x-a, x-b], maxAge: 24h, "
      .. "allowCredentials: true}" .. ROUTE
    local function preflight(origin)
      local _, answer = run(mesh_routes(http)[1], { method = "OPTIONS", headers = { origin = origin,
        ["access-control-request-method"] = "PUT" } })
      return answer
    end
    for _, origin in ipairs { "https://a.test", "https://b.example", "https://d.test" } do
      local answer = preflight(origin)
      local headers = answer.headers
      assert.same({ 200, "GET,*", "x-a,x-b", "86400" }, { answer.status, headers["access-control-allow-methods"],
        headers["access-control-allow-headers"], headers["access-control-max-age"] })
    end
    assert.is_nil(preflight "https://e.test") -- it goes on
    assert.is_nil(preflight "https://d.test.evil")
    http = "  - corsPolicy: {allowOrigin: ['https://a.test'], unmatchedPreflights: IGNORE}" .. ROUTE
    assert.equal(200, preflight("https://e.test").status)
    for cors, message in pairs {
      ["{allowMethods: [PUTT]}"] = "allowMethods[0]: PUTT is no method",
      ["{maxAge: 1500ms}"] = "maxAge: expected whole",
      ["{allowOrigins: [{prefix: ''}]}"] = "allowOrigins[0].prefix: expected a text",
    } do
      assert.truthy(refusal("  - corsPolicy: " .. cors .. ROUTE):find(message, 1, true), message)
    end
  end)
end)

describe("VirtualServices delegate", function()
  local function root(match, more, delegate)
    local spec = "  hosts: [a]\n  http:\n  - name: root\n%s%s    delegate: {name: leaf, namespace: %s}\n"
      .. "  - name: rest%s"
    match = match and "    match: [{" .. match .. "}]\n" or ""
    return virtual_service("root", spec:format(match, more or "", delegate or "teams", ROUTE))
  end
  local function leaf(http, more)
    return virtual_service("leaf", (more or "") .. "  http:\n" .. http, "teams")
  end
  local TO = "\n    route: [{destination: {host: a.shop.svc.cluster.local}}]\n"

  it("and take what both ask for", function()
    local model = loaded(root("uri: {prefix: /team}, headers: {user: {exact: Amy}}")
      .. leaf("  - name: in\n    match: [{uri: {exact: /team/x}}]" .. TO
        .. "  - match: [{uri: {prefix: /team}}]" .. TO))
    local amy = { user = "Amy" }
    assert.equal("root-in", taken(model, MESH, { path = "/team/x", headers = amy }))
    assert.equal("root", taken(model, MESH, { path = "/team/y", headers = amy }))
    assert.equal("rest", taken(model, MESH, { path = "/team/x" }))
  end)

  it("leaving out routes that are no part of what is delegated", function()
    local _, warnings = loaded(root("uri: {prefix: /team}") .. leaf("  - match: [{uri: {prefix: /other}}]" .. TO
      .. "  - match: [{uri: {regex: '/team.*'}}]" .. TO))
    assert.equal(2, #warnings)
    assert.truthy(warnings[1]:find("is no part of what shop/root delegates", 1, true))
  end)

  it("with the root's settings where the delegate has none", function()
    local model = loaded(root("uri: {prefix: /team}", "    timeout: 3s\n    retries: {attempts: 0}\n")
      .. leaf("  - name: own\n    match: [{headers: {a: {}}}]\n    timeout: 1s" .. TO .. "  - name: root" .. TO))
    local list = routes_at(model, MESH)
    assert.same({ 1000, 3000 }, { list[1].timeout, list[2].timeout })
    assert.is_nil(list[2].retries)
  end)

  it("to nobody who is not there or not exported", function()
    local _, warnings = loaded(root())
    assert.truthy(warnings[1]:find("there is no VirtualService leaf in the namespace teams", 1, true))
    _, warnings = loaded(root() .. leaf("  - name: x" .. TO, "  exportTo: ['.']\n"))
    assert.truthy(warnings[1]:find("does not export to shop", 1, true))
  end)

  it("and are refused where they say more", function()
    local _, errors = load(root() .. leaf("  - delegate: {name: x}\n"))
    assert.truthy(errors[1]:find("cannot stand in what is delegated to itself", 1, true))
    _, errors = load(root(nil, "    redirect: {uri: /a}\n") .. leaf("  - name: x" .. TO))
    assert.truthy(errors[1]:find("cannot stand beside route, redirect or directResponse", 1, true))
    _, errors = load(root() .. leaf("  - name: x" .. TO, "  gateways: [mesh]\n"))
    assert.truthy(errors[1]:find("spec.gateways: cannot stand without hosts", 1, true))
  end)
end)

describe("VirtualServices count", function()
  it("for the hosts and gateways they name", function()
    for text, counts in pairs { ["istio-system/gw"] = true, ["gw.istio-system.svc.cluster.local"] = true,
      mesh = false } do
      local model = loaded(virtual_service("v", ("  hosts: [a.shop.svc.cluster.local]\n  gateways: [%s]\n  http:\n"
        .. "  - name: v"):format(text) .. ROUTE))
      assert.equal(counts and "v" or nil, taken(model, INGRESS, { authority = "a.shop.svc.cluster.local" }))
      assert.equal(not counts and "v" or "default", (taken(model, MESH, {}):gsub("^mesh %S+ ", "")))
    end
  end)

  it("where they are exported to", function()
    local function at_gateway(export)
      local model = loaded(virtual_service("v",
        "  hosts: [x.test]\n  gateways: [istio-system/gw]\n  exportTo: [" .. export
        .. "]\n  http:\n  - name: v" .. ROUTE))
      return taken(model, INGRESS, { authority = "x.test" })
    end
    assert.equal("v", at_gateway "'*'")
    assert.equal("v", at_gateway "istio-system")
    assert.is_nil(at_gateway "'.'")
  end)

  it("together at a waypoint, in the order written", function()
    local one = "  hosts: [a]\n  http:\n  - name: one\n    match: [{uri: {prefix: /a}}]" .. ROUTE
    local model = loaded(virtual_service("one", one)
      .. virtual_service("two", "  hosts: [a.shop.svc.cluster.local]\n  http:\n  - name: two" .. ROUTE))
    assert.equal("one", taken(model, MESH, { path = "/ab" }))
    assert.equal("two", taken(model, MESH, { path = "/b", authority = "whatever.test" })) -- Host chooses nothing there
    local three = virtual_service("three", "  hosts: [a]\n  http:\n  - match: [{uri: {exact: /c}}]" .. ROUTE)
    local _, warnings = loaded(virtual_service("two", "  hosts: [a]\n  http:\n  - name: two" .. ROUTE) .. three)
    assert.equal("15: VirtualService three: spec.hosts: is never asked: the route shop/two/two, before it, takes every "
      .. "request", warnings[1])
  end)

  it("together at a gateway's host, catch-alls last, and never for a less specific one", function()
    local function spec(host, name, match)
      local text = "  hosts: ['%s']\n  gateways: [istio-system/gw]\n  http:\n  - name: %s%s%s"
      match = match and "\n    match: [{" .. match .. "}]" or ""
      return virtual_service(name, text:format(host, name, match, ROUTE))
    end
    local model = loaded(spec("x.test", "all") .. spec("x.test", "some", "uri: {prefix: /a}")
      .. spec("*.test", "wild") .. spec("y.test", "narrow", "uri: {prefix: /a}"))
    local _, warnings = loaded(spec("x.test", "all") .. spec("x.test", "more"))
    assert.truthy(warnings[1]:find("its route for every request is never asked at x.test: that of shop/all", 1, true))
    assert.equal("some", taken(model, INGRESS, { authority = "x.test", path = "/a" }))
    assert.equal("all", taken(model, INGRESS, { authority = "x.test:80", path = "/b" }))
    assert.equal("wild", taken(model, INGRESS, { authority = "z.test", path = "/b" }))
    assert.is_nil(taken(model, INGRESS, { authority = "y.test", path = "/b" }))
  end)

  it("and say what is not served", function()
    local _, warnings = loaded(virtual_service("v", "  hosts: [a]\n  tls:\n  - match: [{sniHosts: [a], port: 443}]\n"
      .. "    route: [{destination: {host: a}}]\n  tcp: [{route: [{destination: {host: a}}]}]\n  http:\n"
      .. "  - name: x" .. ROUTE))
    assert.equal(2, #warnings)
    assert.truthy(warnings[1]:find("spec.tls: needs connections to be passed on as they are", 1, true))
    local _, errors = load(virtual_service("v", "  hosts: [a]\n  tls: [{match: [{sni: [a]}]}]\n"))
    assert.truthy(errors[1]:find("unknown key 'sni'", 1, true))
  end)

  it("nowhere, and are still checked", function()
    local function first(name, spec)
      local model, errors, warnings = load(virtual_service(name, spec, "elsewhere"))
      return model and warnings[1] or errors[1]
    end
    local bad = "  http:\n  - match: [{uri: {regex: '('}}]" .. ROUTE
    assert.truthy(first("v", "  hosts: [x]\n" .. bad):find("bad regular expression", 1, true))
    assert.truthy(first("leaf", bad):find("bad regular expression", 1, true))
    assert.truthy(first("leaf", "  http:\n  - name: x" .. ROUTE):find("no VirtualService delegates to it", 1, true))
    assert.truthy(first("v", "  hosts: [x]\n  http:\n  - name: x" .. ROUTE):find("these routes take nothing", 1, true))
  end)

  it("unless their hosts make no sense", function()
    for hosts, message in pairs {
      ["'*'"] = "spec.hosts[0]: * cannot stand in the mesh", ["'a.*.b'"] = "spec.hosts[0]: expected a name",
      ["'*.b.test', c.b.test"] = "spec.hosts[1]: means hosts that *.b.test means too",
    } do
      local _, errors = load(virtual_service("v", "  hosts: [" .. hosts .. "]\n  http:\n  - name: x" .. ROUTE))
      assert.truthy(errors[1]:find(message, 1, true), errors[1])
    end
  end)

  it("name what is written and has no effect", function()
    local DESTINATION = "    route: [{destination: {host: b}%s}]\n"
    for _, row in ipairs {
      { "- match: [{headers: {uri: {exact: a}}}]\n", "match[0].headers.uri: is not asked: that is no header here" },
      { "- match: [{withoutHeaders: {method: {}}}]\n", "match[0].withoutHeaders.method: is not asked" },
      { "- mirrorPercentage: {value: 5}\n", "mirrorPercentage: has no effect: mirror does not stand beside it" },
      { "- mirrorPercent: 5\n", "mirrorPercent: has no effect: mirror" },
      { "- fault: {delay: {fixedDelay: 1s}}\n", "fault.delay: has no effect: its percentage is 0" },
      { "- fault: {abort: {httpStatus: 500, percentage: {value: 0}}}\n", "fault.abort: has no effect: its percentage" },
      { "- corsPolicy: {allowOrigins: [{exact: a}], allowOrigin: [b]}\n", "allowOrigin: is not asked: allowOrigins" },
      { "- headers: {request: {remove: [Host]}}\n", "headers.request.remove[0]: has no effect: it cannot be removed" },
      { '- headers: {request: {set: {":path": /a}}}\n', "no header that can be changed" },
      { "- headers: {response: {set: {host: a}}}\n", "headers.response.set.host: has no effect: that is no header" },
      { "- name: x\n", "route[0].weight: has no effect: a single destination takes every request", ", weight: 50" },
      { "- name: x\n", "route[0].headers.request.remove[0]: has no effect", ", headers: {request: {remove: [':a']}}" },
    } do
      local http = "  " .. row[1] .. DESTINATION:format(row[3] or "")
      local _, warnings = loaded(virtual_service("v", "  hosts: [a]\n  http:\n" .. http))
      local text = table.concat(warnings, "\n")
      assert.truthy(text:find("VirtualService v: spec.http[0].", 1, true), row[2])
      assert.truthy(text:find(row[2], 1, true), row[2] .. "\n" .. text)
    end
    for _, weight in ipairs { "", ", weight: 100", ", weight: 0" } do
      local http = "  - headers: {request: {set: {host: b.example}}}\n" .. DESTINATION:format(weight)
      assert.same({}, select(2, loaded(virtual_service("v", "  hosts: [a]\n  http:\n" .. http))))
    end
  end)
end)
