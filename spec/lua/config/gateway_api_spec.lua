require "spec.support.init"
local fake = require "spec.support.fake_ctx"
local manifest = require "spec.support.manifest"
local router = require "moongate.router"

local API = "apiVersion: gateway.networking.k8s.io/v1"
local BASE = API .. [[

kind: GatewayClass
metadata: {name: acc}
spec: {controllerName: example.net/gateway}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: infra}
spec: {ports: [{port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {ports: [{port: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web, namespace: infra, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 3000}]
endpoints: [{addresses: [127.0.0.1]}]
---
]]

-- One object.
local function object(kind, name, spec, namespace)
  return ("%s\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec:\n%s\n---\n"):format(API, kind, name,
    namespace or "infra", spec)
end

local function gateway(listeners, more)
  return object("Gateway", "gw", ("  gatewayClassName: acc\n  listeners:\n%s%s"):format(listeners, more or ""))
end

local HTTP = "  - {name: http, port: 80, protocol: HTTP}\n"

local function route(name, spec, namespace)
  return object("HTTPRoute", name, "  parentRefs: [{name: gw, namespace: infra}]\n" .. spec, namespace)
end

local BACKEND = "backendRefs: [{name: web, port: 8080}]"

-- Loads the base and `text`: the model, errors and warnings as texts; lines count from the beginning of `text`.
local function load(text) return manifest.load_after(BASE, text) end

local function loaded(text)
  local model, errors, warnings = load(text)
  assert.same({}, errors)
  return model, warnings
end

local function index_of(model, name)
  for i, listener in ipairs(model.listeners) do
    if listener.name == name then return i - 1 end
  end
end

-- The name of the route that takes a request, or nil.
local function taken(model, request)
  local found = router.new(model):match(index_of(model, request.listener or "infra/gw 0.0.0.0:80"),
    fake.new(request).req)
  return found and found.name
end

describe("Gateway API files:", function()
  it("attach a route where its namespace, the port, the name and the hosts let it", function()
    for _, row in ipairs {
      { "", "", "infra", 1 }, { "", "", "shop", 0 },
      { ", allowedRoutes: {namespaces: {from: All}}", "", "shop", 1 },
      { ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: a}}}}", "", "shop", 1 },
      { ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: b}}}}", "", "shop", 0 },
      { ", allowedRoutes: {namespaces: {from: Selector}}", "", "shop", 0 },
      { ", allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: team, operator: In, "
        .. "values: [a, b]}, {key: gone, operator: DoesNotExist}]}}}", "", "shop", 1 },
      { ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: bare}}}}",
        "", "bare", 1 },
      { ", allowedRoutes: {kinds: [{kind: HTTPRoute}]}", "", "infra", 1 },
      { ", allowedRoutes: {kinds: [{kind: GRPCRoute}]}", "", "infra", 0 },
      { "", ", sectionName: http, port: 80", "infra", 1 }, { "", ", sectionName: gone", "infra", 0 },
      { "", ", sectionName: http, port: 81", "infra", 0 }, { "", ", kind: ListenerSet", "infra", 0 },
      { ', hostname: "*.a.test"', "", "infra", 1, "[x.a.test, b.test]" },
      { ', hostname: "*.a.test"', "", "infra", 0, "[a.test, b.test]" },
    } do
      local model, warnings = loaded(gateway(("  - {name: http, port: 80, protocol: HTTP%s}\n"):format(row[1]))
        .. object("HTTPRoute", "r", ("  parentRefs: [{name: gw, namespace: infra%s}]\n  hostnames: %s"):format(row[2],
          row[5] or "[]"), row[3]))
      assert.equal(row[4], #model.routes, row[1] .. row[2])
      local refused = "^14: HTTPRoute r: spec.parentRefs%[0%]: .*not accepted there$"
      if row[4] == 0 then assert.matches(refused, warnings[1]) end
    end
  end)

  it("try routes by what they ask for, whatever order they are written in", function()
    local rules = {}
    for i, match in ipairs {
      "path: {value: /a}", "path: {value: /a/b}", "path: {type: Exact, value: /a}", "path: {value: /a}, method: POST",
      "path: {value: /a}, headers: [{name: X-H, value: '1'}, {name: x-h, value: '2'}]",
      "path: {value: /a}, queryParams: [{name: q, value: '1'}]",
    } do rules[i] = ("  - {name: n%d, matches: [{%s}], %s}\n"):format(i, match, BACKEND) end
    local model = loaded(gateway(HTTP) .. route("first", "  rules:\n" .. table.concat(rules))
      .. route("second", ("  rules: [{name: same, matches: [{path: {value: /a/}}], %s}]"):format(BACKEND)))
    for _, row in ipairs {
      { "infra/first/n3", { path = "/a" } }, { "infra/first/n1", { path = "/a/" } },
      { "infra/first/n2", { path = "/a/b/c" } },
      { "infra/first/n4", { path = "/a/x", method = "POST", headers = { ["x-h"] = "1" } } },
      { "infra/first/n5", { path = "/a/x", headers = { ["x-h"] = "1" }, query = "q=1" } },
      { "infra/first/n6", { path = "/a/x", query = "q=1", headers = { ["x-h"] = "2" } } }, { nil, { path = "/ab" } },
    } do
      assert.equal(row[1], taken(model, row[2]), row[2].path)
    end
  end)

  it("take regular expressions of the whole path, header or parameter", function()
    local model = loaded(gateway(HTTP) .. route("r", (([[
  rules:
  - {name: root, BACKEND}
  - name: path
    matches: [{path: {type: RegularExpression, value: "/v[0-9]+"}}]
    BACKEND
  - name: header
    matches: [{headers: [{name: user, type: RegularExpression, value: "(?i)am."}]}]
    BACKEND
  - name: query
    matches: [{queryParams: [{name: num, type: RegularExpression, value: "1+"}]}]
    BACKEND
]]):gsub("BACKEND", BACKEND))))
    assert.equal("infra/r/path", taken(model, { path = "/v12" }))
    assert.equal("infra/r/root", taken(model, { path = "/v12/x" }))
    assert.equal("infra/r/header", taken(model, { path = "/", headers = { user = "AMY" } }))
    assert.equal("infra/r/root", taken(model, { path = "/", headers = { user = "amyx" } }))
    assert.equal("infra/r/query", taken(model, { path = "/", query = "num=11" }))
    assert.equal("infra/r/root", taken(model, { path = "/", query = "num=12" }))
  end)

  it("try the older of two equal routes first, then go by namespace and name", function()
    local rule = "  rules: [{name: one, " .. BACKEND .. "}]"
    local function at(name, time)
      return (route(name, rule):gsub("namespace: infra}\nspec", "namespace: infra, creationTimestamp: '" .. time
        .. "'}\nspec", 1))
    end
    assert.equal("infra/a/one", taken(loaded(gateway(HTTP) .. route("b", rule) .. route("a", rule)), {}))
    assert.equal("infra/b/one", taken(loaded(gateway(HTTP) .. at("a", "2024-01-02T00:00:00Z")
      .. at("b", "2024-01-01T00:00:00Z")), {}))
    assert.equal("infra/b/one", taken(loaded(gateway(HTTP) .. route("a", rule) .. at("b", "2024-01-01T00:00:00Z")), {}))
  end)

  it("may be many", function()
    local many = {}
    for i = 1, 9000 do many[i] = object("HTTPRoute", "r" .. i, "  parentRefs: [{name: gw}]\n  hostnames: [h.test]") end
    assert.equal(9000, #loaded(gateway(HTTP) .. table.concat(many)).routes)
  end)

  it("hide the routes of a listener behind a more specific one of the same port", function()
    local model = loaded(gateway(HTTP .. '  - {name: wild, port: 80, protocol: HTTP, hostname: "*.a.test"}\n'
      .. "  - {name: one, port: 80, protocol: HTTP, hostname: x.a.test}\n")
      .. object("HTTPRoute", "any", "  parentRefs: [{name: gw, sectionName: http}]\n  rules: [{name: r}]")
      .. object("HTTPRoute", "wild", "  parentRefs: [{name: gw, sectionName: wild}]\n  rules: [{name: r}]")
      .. object("HTTPRoute", "one", "  parentRefs: [{name: gw, sectionName: one}]\n  rules: [{name: r, matches: "
        .. "[{path: {value: /one}}]}]"))
    for host, expected in pairs {
      ["b.test"] = "infra/any/r", ["y.a.test"] = "infra/wild/r", ["a.test"] = "infra/any/r",
    } do
      assert.equal(expected, taken(model, { authority = host }), host)
    end
    assert.is_nil(taken(model, { authority = "x.a.test" }))
    assert.equal("infra/one/r", taken(model, { authority = "x.a.test", path = "/one" }))
  end)

  it("serve none of two listeners that cannot be told apart", function()
    local model, warnings = loaded(gateway(HTTP
      .. "  - {name: again, port: 80, protocol: HTTPS, tls: {certificateRefs: [{name: pair}]}}\n"
      .. "  - {name: side, port: 81, protocol: HTTP}\n  - {name: tls, port: 82, protocol: TLS, tls: {}}\n"))
    assert.same({ 1, "infra/gw 0.0.0.0:81" }, { #model.listeners, model.listeners[1].name })
    assert.matches("^7: .*same port with another protocol as listener again", warnings[1])
    assert.matches("^8: .*same port with another protocol as listener http", warnings[4])
    assert.matches("^10: .*TLS is not supported", warnings[5])
  end)

  it("add the listeners of a ListenerSet where the Gateway allows it", function()
    local set = object("ListenerSet", "set", "  parentRef: {name: gw, namespace: infra}\n  listeners:\n"
      .. "  - {name: http, port: 8080, protocol: HTTP}\n  - {name: same, port: 80, protocol: HTTP}\n", "shop")
      .. object("HTTPRoute", "r", "  parentRefs: [{kind: ListenerSet, name: set}]\n  rules: [{name: r}]", "shop")
    local model, warnings = loaded(gateway(HTTP) .. set)
    assert.same({ 1, 0, 2 }, { #model.listeners, #model.routes, #warnings })
    model, warnings = loaded(gateway(HTTP, "  allowedListeners: {namespaces: {from: All}}\n") .. set)
    assert.same({ 2, 1 }, { #model.listeners, #warnings }) -- the Gateway's own port 80 goes before the set's
    assert.equal("shop/r/r", taken(model, { listener = "infra/gw 0.0.0.0:8080" }))
    assert.is_nil(taken(model, {}))
  end)

  it("bind the addresses given", function()
    local model = loaded(gateway(HTTP, "  addresses: [{value: 127.0.0.2}, {type: IPAddress, value: '::1'}]\n"))
    assert.same({ "127.0.0.2:80", "[::1]:80", 80 },
      { model.listeners[1].address, model.listeners[2].address, model.listeners[1].port })
  end)

  it("answer 500 for the share of a backend that cannot be used", function()
    local function backends(refs, more)
      local model, warnings = loaded(gateway(HTTP) .. (more or "")
        .. route("r", "  rules: [{backendRefs: " .. refs .. "}]"))
      return model.routes[1].backends, warnings
    end
    for refs, why in pairs {
      ["[{name: web, port: 8080}, {name: gone, port: 8080, weight: 3}]"] = "there is no Service gone.infra",
      ["[{name: web, port: 8080}, {name: web, port: 1, weight: 3}]"] = "has no port 1",
      ["[{name: web, port: 8080}, {name: web, group: x.test, kind: Thing, weight: 3}]"] = 'Thing of group "x.test"',
      ["[{name: web, port: 8080}, {name: other, namespace: shop, port: 8080, weight: 3}]"] = "no ReferenceGrant",
    } do
      local list, warnings = backends(refs)
      assert.same({ "web.infra.svc.cluster.local:8080", 1, 3, "respond", 500 },
        { list[1].service, list[1].weight, list[2].weight, list[2].policies[1].name, list[2].policies[1].conf.status })
      assert.truthy(warnings[#warnings]:find(why, 1, true), warnings[#warnings])
    end
    assert.same({}, (backends "[{name: web, port: 8080, weight: 0}]"))
    local grant = object("ReferenceGrant", "g", "  from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, "
      .. "namespace: infra}]\n  to: [{group: '', kind: Service%s}]", "shop")
    local ref = "[{name: other, namespace: shop, port: 8080}]"
    assert.equal("other.shop.svc.cluster.local:8080", backends(ref, grant:format "")[1].service)
    assert.equal("other.shop.svc.cluster.local:8080", backends(ref, grant:format ", name: other")[1].service)
    assert.equal("nowhere", backends(ref, grant:format ", name: web")[1].service)
  end)

  it("attach to the port of a service that sectionName names", function()
    local model = loaded([[
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {clusterIP: 127.0.0.1, ports: [{port: 80, name: http}, {port: 81, name: http-b}]}
---
]] .. object("HTTPRoute", "r", "  parentRefs: [{group: '', kind: Service, name: shop, sectionName: http-b}]\n"
      .. "  rules: [{backendRefs: [{name: shop, port: 80}]}]", "shop"))
    local names = {}
    for i, made in ipairs(model.routes) do names[i] = made.name:match " (%S+)$" end
    assert.same({ "default", "shop/r/0" }, names)
  end)

  -- GEP-1294, "Multiple routes for a Service".
  it("let a namespace's routes alone decide of what it sends to another's service", function()
    local function to_shop(name, path, namespace)
      return object("HTTPRoute", name, ("  parentRefs: [{group: '', kind: Service, name: shop, namespace: shop}]\n"
        .. "  rules: [{matches: [{path: {value: %s}}], backendRefs: [{name: web, namespace: infra, port: 8080}]}]")
        :format(path), namespace)
    end
    local model, warnings = loaded([[
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {clusterIP: 127.0.0.1, ports: [{port: 8080}]}
---
]] .. to_shop("own", "/", "shop") .. to_shop("short", "/a", "infra") .. to_shop("long", "/a/b", "infra")
      .. to_shop("bare", "/", "bare"))
    assert.equal(3, #warnings)
    assert.matches("speaks clear text, which does not tell who calls, so these routes take nothing there", warnings[1])
    local name = "mesh shop.shop.svc.cluster.local:8080"
    local function by(namespace, path)
      return taken(model, { listener = name, path = path,
        peer = { principal = namespace and ("spiffe://cluster.local/ns/%s/sa/a"):format(namespace) } }):sub(#name + 2)
    end
    assert.same({ "shop/own/0", "shop/own/0", "bare/bare/0", "infra/short/0", "infra/long/0", "no route" },
      { by(nil, "/a"), by("shop", "/a"), by("bare", "/a"), by("infra", "/a"), by("infra", "/a/b"), by("infra", "/c") })
    assert.equal("shop/own/0", by("infra-2", "/c"))
  end)

  it("guard endpoints that are called without a mesh listener before them", function()
    local model = loaded(gateway(HTTP) .. route("r", "  rules: [{" .. BACKEND .. "}]") .. [[
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: infra}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}}}
---
apiVersion: v1
kind: Service
metadata: {name: guarded, namespace: infra}
spec: {ports: [{port: 8080}], selector: {app: web}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: p, namespace: infra}
spec: {selector: {matchLabels: {app: web}}, rules: [{to: [{operation: {methods: [GET]}}]}]}
---
]] .. route("g", "  rules: [{matches: [{path: {value: /g}}], backendRefs: [{name: guarded, port: 8080}]}]"))
    for _, one in ipairs(model.routes) do
      local uses = one.backends[1].policies
      assert.equal(one.name == "infra/g/0" and "rbac" or nil, uses and uses[1].name)
    end
  end)

  it("take a new path without its first slash for one with it, and say so", function()
    local model, warnings = loaded(gateway(HTTP) .. route("r", [[
  rules:
  - matches: [{path: {value: /a}}]
    filters: [{type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: c}}}]
    ]] .. BACKEND .. [[

  - matches: [{path: {value: /b}}]
    filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: d}}}]
]]))
    local paths = {}
    for i, one in ipairs(model.routes) do
      local conf = one.policies[1].conf
      paths[i] = conf.path or conf.prefix.to
    end
    table.sort(paths)
    assert.same({ "/c", "/d" }, paths)
    assert.matches("urlRewrite.path.replacePrefixMatch: is taken for \"/c\"", table.concat(warnings, "\n"), 1, true)
  end)

  it("turn filters, time limits and retries into what routes have", function()
    local model = loaded(gateway(HTTP) .. route("r", [[
  rules:
  - matches: [{path: {value: /a}}]
    filters:
    - type: RequestMirror
      requestMirror: {backendRef: {name: web, port: 8080}, fraction: {numerator: 1, denominator: 8}}
    - {type: URLRewrite, urlRewrite: {path: {type: ReplacePrefixMatch, replacePrefixMatch: /c}}}
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X, value: '1'}, {name: x, value: '2'}]}}
    - {type: CORS, cors: {allowOrigins: ['*']}}
    timeouts: {request: 10s, backendRequest: 2s}
    retry: {codes: [503], attempts: 3, backoff: 100ms}
    ]] .. BACKEND))
    local names = {}
    for _, one in ipairs(model.routes) do
      for j, use in ipairs(one.policies) do names[j] = use.name end
      local prefix = one.policies[3].conf.prefix
      assert.same({ "/a", "/c" }, { prefix.from, prefix.to })
      assert.same({ { X = "1" }, 12.5, 5000 }, { one.policies[2].conf.request.set, one.policies[4].conf.percent,
        one.policies[1].conf.max_age })
      assert.same({ 10000, 2000 }, { one.timeout, one.per_try_timeout })
      assert.same({ 3, { "connect-failure", "reset", "503" }, 100, 1000 }, { one.retries.attempts, one.retries.on,
        one.retries.back_off, one.retries.max_back_off })
    end
    assert.same({ "cors", "headers", "rewrite", "mirror" }, names)
  end)

  it("ask a service whether requests may pass, and let nobody pass where it cannot be asked", function()
    local function uses(ref, more)
      return loaded(gateway(HTTP) .. route("r", ("  rules: [{filters: [{type: ExternalAuth, externalAuth: {protocol: "
        .. "HTTP, backendRef: %s%s}}], %s}]"):format(ref, more or ", http: {}", BACKEND))).routes[1].policies
    end
    local use = uses("{name: web, port: 8080}", ", http: {path: /check/, allowedHeaders: [x-a], "
      .. "allowedResponseHeaders: [x-b]}, forwardBody: {maxSize: 10}")[1]
    assert.same({ "ext_authz", "web.infra.svc.cluster.local:8080", "/check", { "x-a" }, { "x-b" }, 10 }, { use.name,
      use.conf.service, use.conf.path_prefix, use.conf.request_headers, use.conf.upstream_headers,
      use.conf.body.limit })
    assert.is_nil(uses("{name: web, port: 8080}")[1].conf.body)
    use = uses("{name: gone, port: 8080}")[1]
    assert.same({ "respond", 500 }, { use.name, use.conf.status })
  end)

  -- What is wrong with the rules of a route, and what is said of it; lines count from the first rule.
  local RULES = 15
  for text, expected in pairs {
    ['  - matches: [{path: {type: RegularExpression, value: "/(a"}}]'] =
      '1: HTTPRoute r: spec.rules[0].matches[0].path.value: bad regular expression "/(a"; missing ): /(a',
    ['  - matches: [{headers: [{name: a, type: RegularExpression, value: "(?!a)"}]}]'] = "1: HTTPRoute r: "
      .. 'spec.rules[0].matches[0].headers[0].value: bad regular expression "(?!a)"; invalid perl operator: (?!',
    ["  - matches: [{path: {value: a}}]"] = "1: HTTPRoute r: spec.rules[0].matches[0].path.value: expected a path",
    ["  - matches: [{path: {value: /a//b}}]"] = "1: HTTPRoute r: spec.rules[0].matches[0].path.value: expected a path",
    ["  - matches: [{method: get}]"] = "1: HTTPRoute r: spec.rules[0].matches[0].method: expected one of",
    ["  - matches: [{paths: {}}]"] = "1: HTTPRoute r: spec.rules[0].matches[0].paths: unknown key",
    ["  - filters: [{type: ExtensionRef, extensionRef: {}}]"] =
      "1: HTTPRoute r: spec.rules[0].filters[0].type: filters of type ExtensionRef are not supported",
    ["  - filters: [{type: URLRewrite}]"] =
      "1: HTTPRoute r: spec.rules[0].filters[0]: type URLRewrite needs urlRewrite",
    ["  - filters: [{type: CORS, cors: {}, urlRewrite: {}}]"] =
      "1: HTTPRoute r: spec.rules[0].filters[0]: urlRewrite does not belong",
    ["  - filters:\n    - {type: CORS, cors: {}}\n    - {type: CORS, cors: {}}"] =
      "3: HTTPRoute r: spec.rules[0].filters[1]: CORS stands twice",
    ["  - matches: [{path: {type: Exact, value: /a}}]\n    filters: [{type: URLRewrite, urlRewrite: {path: {type: "
      .. "ReplacePrefixMatch, replacePrefixMatch: /b}}}]"] =
      "2: HTTPRoute r: spec.rules[0].filters[0].urlRewrite.path.replacePrefixMatch: needs a rule",
    ["  - filters: [{type: RequestRedirect, requestRedirect: {port: 81}}]\n    " .. BACKEND] =
      "2: HTTPRoute r: spec.rules[0].backendRefs: RequestRedirect stands without backendRefs",
    ["  - backendRefs: [{name: web}]"] = "1: HTTPRoute r: spec.rules[0].backendRefs[0]: 'port' is missing",
    ["  - timeouts: {request: 1s, backendRequest: 2s}"] =
      "1: HTTPRoute r: spec.rules[0].timeouts.backendRequest: is longer than request",
    ["  - filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: 'a b', value: x}]}}]"] =
      "1: HTTPRoute r: spec.rules[0].filters[0].requestHeaderModifier.set[0].name: expected a name",
  } do
    it("refuse " .. text:gsub("%s+", " "), function()
      local model, errors = load(gateway(HTTP)
        .. object("HTTPRoute", "r", "  parentRefs: [{name: gw}]\n  rules:\n" .. text))
      assert.is_nil(model)
      local first = (errors[1] or "(no message)"):gsub("^(%d+)", function(line) return tostring(line - RULES) end)
      assert.equal(expected, first:sub(1, #expected))
    end)
  end
end)
