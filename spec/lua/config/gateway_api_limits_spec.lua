--- What the Gateway API's API server would refuse (the validations of apis/v1) is refused here too, by line and path;
-- what it takes at the very limit is taken.
require "spec.support.init"
local manifest = require "spec.support.manifest"

local API = "apiVersion: gateway.networking.k8s.io/v1"
local BASE = API .. "\nkind: GatewayClass\nmetadata: {name: acc}\nspec: {controllerName: example.net/gateway}\n---\n"
  .. "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: infra}\nspec: {ports: [{port: 8080}]}\n---\n"
local LINES = select(2, BASE:gsub("\n", ""))

local function object(kind, name, spec)
  return ("%s\nkind: %s\nmetadata: {name: %s, namespace: infra}\nspec: {%s}\n---\n"):format(API, kind, name, spec)
end

local HTTP = "{name: http, port: 80, protocol: HTTP}"

local function gateway(listeners, more)
  return object("Gateway", "gw", ("gatewayClassName: acc, listeners: [%s]%s"):format(listeners, more or ""))
end

local OTHERS = gateway(HTTP) -- what stands before the object that is looked at

local function route(spec, kind)
  return OTHERS .. object(kind or "HTTPRoute", "r", "parentRefs: [{name: gw}], " .. spec)
end

local BACKEND = "backendRefs: [{name: web, port: 8080}]"

local function rules(text) return route("rules: [" .. text .. "]") end
local function rule(text) return rules("{" .. text .. ", " .. BACKEND .. "}") end
local function match(text) return rule("matches: [{" .. text .. "}]") end
local function path(value, kind) return match(("path: {type: %s, value: %q}"):format(kind or "PathPrefix", value)) end
local function header(text) return match("headers: [{" .. text .. "}]") end
local function query(text) return match("queryParams: [{" .. text .. "}]") end
local function host(name) return route(("hostnames: [%q], rules: [{%s}]"):format(name, BACKEND)) end
local function parents(text) return OTHERS .. object("HTTPRoute", "r", "parentRefs: [" .. text .. "]") end
local function filter(text) return rule("filters: [{type: " .. text .. "}]") end
local function changed(text) return filter("RequestHeaderModifier, requestHeaderModifier: {" .. text .. "}") end
local function redirect(text)
  return rules("{filters: [{type: RequestRedirect, requestRedirect: {" .. text .. "}}]}")
end
local function cors(text) return filter("CORS, cors: {" .. text .. "}") end
local function auth(text)
  return filter("ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: web, port: 8080}" .. text .. "}")
end
local function mirror(text)
  return filter("RequestMirror, requestMirror: {backendRef: {name: web, port: 8080}" .. text .. "}")
end
local function listener(text) return gateway(HTTP .. ", {name: l, port: 81, " .. text .. "}") end
local function selector(text)
  return listener("protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: a, "
    .. text .. "}]}}}")
end
local function frontend(text) return gateway(HTTP, ", tls: {frontend: {" .. text .. "}}") end
local function grant(from, to)
  return OTHERS .. object("ReferenceGrant", "g", ("from: [%s], to: [%s]"):format(from, to))
end
local function policy(targets, validation)
  return OTHERS .. object("BackendTLSPolicy", "p", ("targetRefs: [%s], validation: {%s}"):format(targets,
    validation or "hostname: a.test, wellKnownCACertificates: System"))
end
local function grpc(text) return route("rules: [{" .. text .. ", " .. BACKEND .. "}]", "GRPCRoute") end

-- `text` n times; %d is the number.
local function times(n, text)
  local list = {}
  for i = 1, n do list[i] = text:gsub("%%d", i) end
  return table.concat(list, ", ")
end

local PREFIX = "filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplacePrefixMatch, "
  .. "replacePrefixMatch: /b}}}]"
local FROM, TO = "{group: '', kind: Service, namespace: a}", "{group: '', kind: Service}"
local TARGET = "{group: '', kind: Service, name: web}"
local function long(n) return ("a"):rep(n) end

-- Each: what it is about, what is refused, and the field's path; or what is taken.
local REFUSED = {
  { "rules", rules(times(17, "{}")), "spec.rules" }, { "no rule", rules "", "spec.rules" },
  { "matches", rules("{matches: [" .. times(65, "{path: {value: /%d}}") .. "]}"), "spec.rules[0].matches" },
  { "all matches", rules(times(3, "{matches: [" .. times(43, "{path: {value: /%d}}") .. "]}")), "spec.rules" },
  { "rule names", rules "{name: a}, {name: b}, {name: a}", "spec.rules[2]" },
  { "a rule's name", rules "{name: A}", "spec.rules[0].name" },
  { "hosts", route("hostnames: [" .. times(17, "a%d.test") .. "]"), "spec.hostnames" },
  { "parents", parents(times(33, "{name: gw%d}")), "spec.parentRefs" },
  { "a parent twice", parents "{name: gw}, {name: gw}", "spec.parentRefs[1]" },
  { "a section twice", parents "{name: gw, sectionName: a}, {name: gw, sectionName: a}", "spec.parentRefs[1]" },
  { "a parent and its section", parents "{name: gw, sectionName: a}, {name: gw}", "spec.parentRefs[1]" },
  { "a section, and a port of the same", parents "{name: gw, sectionName: a}, {name: gw, port: 443}",
    "spec.parentRefs[1]" },
  { "a section twice, with a port", parents "{name: gw, sectionName: a}, {name: gw, sectionName: a, port: 443}",
    "spec.parentRefs[1]" },
  { "a section's name", parents "{name: gw, sectionName: a_b}", "spec.parentRefs[0].sectionName" },
  { "a namespace", parents "{name: gw, namespace: a.b}", "spec.parentRefs[0].namespace" },
  { "backends", rules("{backendRefs: [" .. times(17, "{name: web, port: 8080}") .. "]}"), "spec.rules[0].backendRefs" },
  { "a backend's namespace", rules "{backendRefs: [{name: web, port: 8080, namespace: A}]}",
    "spec.rules[0].backendRefs[0].namespace" },
  { "filters", rule("filters: [" .. times(17, "{type: CORS, cors: {}}") .. "]"), "spec.rules[0].filters" },
  { "headers", match("headers: [" .. times(17, "{name: a%d, value: b}") .. "]"), "spec.rules[0].matches[0].headers" },
  { "a header twice", match "headers: [{name: a, value: b}, {name: a, value: c}]",
    "spec.rules[0].matches[0].headers[1]" },
  { "a header's name", header "name: ':path', value: b", "spec.rules[0].matches[0].headers[0].name" },
  { "a long header", header("name: a, value: " .. long(4097)), "spec.rules[0].matches[0].headers[0].value" },
  { "no header value", header "name: a, value: ''", "spec.rules[0].matches[0].headers[0].value" },
  { "a parameter twice", match "queryParams: [{name: a, value: b}, {name: a, value: c}]",
    "spec.rules[0].matches[0].queryParams[1]" },
  { "a parameter's name", query "name: 'a=', value: b", "spec.rules[0].matches[0].queryParams[0].name" },
  { "a long parameter", query("name: a, value: " .. long(1025)), "spec.rules[0].matches[0].queryParams[0].value" },
  { "headers to set", changed("set: [" .. times(17, "{name: a%d, value: b}") .. "]"),
    "spec.rules[0].filters[0].requestHeaderModifier.set" },
  { "a header set twice", changed "set: [{name: a, value: b}, {name: a, value: c}]",
    "spec.rules[0].filters[0].requestHeaderModifier.set[1]" },
  { "a line break", changed 'add: [{name: a, value: "b\\nc: d"}]',
    "spec.rules[0].filters[0].requestHeaderModifier.add[0].value" },
  { "a header to remove", changed "remove: [a, 'b c']", "spec.rules[0].filters[0].requestHeaderModifier.remove[1]" },
  { "a redirect's host", redirect "hostname: '*.a.test'", "spec.rules[0].filters[0].requestRedirect.hostname" },
  { "a redirect's port", redirect "hostname: 'a.test:80'", "spec.rules[0].filters[0].requestRedirect.hostname" },
  { "a host to write", filter "URLRewrite, urlRewrite: {hostname: A.test}",
    "spec.rules[0].filters[0].urlRewrite.hostname" },
  { "a long path to write", filter("URLRewrite, urlRewrite: {path: {type: ReplaceFullPath, replaceFullPath: /"
    .. long(1024) .. "}}"), "spec.rules[0].filters[0].urlRewrite.path.replaceFullPath" },
  { "every origin and one", cors "allowOrigins: ['*', 'https://a.test']",
    "spec.rules[0].filters[0].cors.allowOrigins[0]" },
  { "every method and one", cors "allowMethods: [GET, '*']", "spec.rules[0].filters[0].cors.allowMethods[1]" },
  { "every header and one", cors "allowHeaders: ['*', a]", "spec.rules[0].filters[0].cors.allowHeaders[0]" },
  { "a method", cors "allowMethods: [GET, FETCH]", "spec.rules[0].filters[0].cors.allowMethods[1]" },
  { "no way to ask", auth "", "spec.rules[0].filters[0].externalAuth" },
  { "two ways to ask", auth ", http: {}, grpc: {}", "spec.rules[0].filters[0].externalAuth" },
  { "a share twice", mirror ", percent: 5, fraction: {numerator: 1}", "spec.rules[0].filters[0].requestMirror" },
  { "a share above all", mirror ", fraction: {numerator: 3, denominator: 2}",
    "spec.rules[0].filters[0].requestMirror.fraction" },
  { "no listener", gateway "", "spec.listeners" },
  { "listeners", gateway(times(65, "{name: l%d, port: 80, protocol: HTTP, hostname: a%d.test}")), "spec.listeners" },
  { "a set without listeners", OTHERS .. object("ListenerSet", "s", "parentRef: {name: gw}"), "spec.listeners" },
  { "a listener's name", gateway "{name: a_b, port: 80, protocol: HTTP}", "spec.listeners[0].name" },
  { "a protocol", listener "protocol: a b", "spec.listeners[1].protocol" },
  { "a host of TCP", listener "protocol: TCP, hostname: a.test", "spec.listeners[1].hostname" },
  { "TLS without", listener "protocol: TLS", "spec.listeners[1]" },
  { "kinds of route", listener("protocol: HTTP, allowedRoutes: {kinds: [" .. times(9, "{kind: A%d}") .. "]}"),
    "spec.listeners[1].allowedRoutes.kinds" },
  { "no values", selector "operator: In", "spec.listeners[1].allowedRoutes.namespaces.selector.matchExpressions[0]" },
  { "values", selector "operator: Exists, values: [b]",
    "spec.listeners[1].allowedRoutes.namespaces.selector.matchExpressions[0]" },
  { "addresses", gateway(HTTP, ", addresses: [" .. times(17, "{value: 127.0.0.%d}") .. "]"), "spec.addresses" },
  { "a port twice", frontend "default: {}, perPort: [{port: 80, tls: {}}, {port: 80, tls: {}}]",
    "spec.tls.frontend.perPort[1]" },
  { "no authority", frontend "default: {validation: {caCertificateRefs: []}}",
    "spec.tls.frontend.default.validation.caCertificateRefs" },
  { "nobody who may refer", grant("", TO), "spec.from" }, { "nothing to refer to", grant(FROM, ""), "spec.to" },
  { "many who may refer", grant(times(17, FROM), TO), "spec.from" },
  { "no target", policy "", "spec.targetRefs" },
  { "a target twice", policy(TARGET .. ", " .. TARGET), "spec.targetRefs[1]" },
  { "a target's host", policy(TARGET, "hostname: '*.a', wellKnownCACertificates: System"), "spec.validation.hostname" },
  { "a controller", OTHERS .. object("GatewayClass", "c", "controllerName: a"), "spec.controllerName" },
  { "a backend without a name", rules "{backendRefs: [{name: '', port: 8080}]}", "spec.rules[0].backendRefs[0].name" },
  { "a backend's kind", rules "{backendRefs: [{kind: a_b, name: web}]}", "spec.rules[0].backendRefs[0].kind" },
  { "a backend's group", rules "{backendRefs: [{group: A.b, name: web}]}", "spec.rules[0].backendRefs[0].group" },
  { "a parent's kind", parents "{kind: '', name: gw}", "spec.parentRefs[0].kind" },
  { "a code twice", rule "retry: {codes: [503, 503]}", "spec.rules[0].retry.codes[1]" },
  { "a header removed twice", changed "remove: [a, a]", "spec.rules[0].filters[0].requestHeaderModifier.remove[1]" },
  { "an origin twice", cors "allowOrigins: ['https://a', 'https://a']",
    "spec.rules[0].filters[0].cors.allowOrigins[1]" },
  { "a method twice", cors "allowMethods: [GET, GET]", "spec.rules[0].filters[0].cors.allowMethods[1]" },
  { "one prefix of two", rules("{matches: [{path: {value: /a}}, {path: {value: /b}}], " .. PREFIX .. "}"),
    "spec.rules[0].filters[0].requestRedirect.path.replacePrefixMatch" },
  { "the prefix of an exact path", rules("{matches: [{path: {type: Exact, value: /a}}], " .. PREFIX .. "}"),
    "spec.rules[0].filters[0].requestRedirect.path.replacePrefixMatch" },
  { "a backend's one prefix of two", rules("{matches: [{path: {value: /a}}, {path: {value: /b}}], backendRefs: [{name: "
    .. "web, port: 8080, " .. PREFIX:gsub("(%w)equestRedirect", { R = "URLRewrite", r = "urlRewrite" }) .. "}]}"),
    "spec.rules[0].backendRefs[0].filters[0].urlRewrite.path.replacePrefixMatch" },
  { "a path where nothing attaches", OTHERS .. object("HTTPRoute", "r", "rules: [{matches: [{path: {value: a}}]}]"),
    "spec.rules[0].matches[0].path.value" },
  { "a prefix where nothing attaches", OTHERS
    .. object("HTTPRoute", "r", "rules: [{" .. PREFIX:gsub("/b", "/b?c") .. "}]"),
    "spec.rules[0].filters[0].requestRedirect.path.replacePrefixMatch" },
  { "a listener twice", gateway(HTTP .. ", {name: l, port: 80, protocol: HTTP}"), "spec.listeners[1]" },
  { "a listener's host twice", gateway("{name: a, port: 80, protocol: HTTP, hostname: a.test}, {name: b, port: 80, "
    .. "protocol: HTTP, hostname: a.test}"), "spec.listeners[1]" },
  { "no certificate", listener "protocol: HTTPS, tls: {}", "spec.listeners[1].tls" },
  { "routes from nowhere", listener "protocol: HTTP, allowedRoutes: {namespaces: {from: None}}",
    "spec.listeners[1].allowedRoutes.namespaces.from" },
  { "a kind of route", listener "protocol: HTTP, allowedRoutes: {kinds: [{kind: 'a/b'}]}",
    "spec.listeners[1].allowedRoutes.kinds[0].kind" },
  { "an address twice", gateway(HTTP, ", addresses: [{value: 127.0.0.2}, {type: IPAddress, value: 127.0.0.2}]"),
    "spec.addresses[1]" },
  { "a type of address", gateway(HTTP, ", addresses: [{type: a b, value: c}]"), "spec.addresses[0].type" },
  { "who may refer", grant("{group: A, kind: Service, namespace: a}", TO), "spec.from[0].group" },
  { "trusted by the system", policy(TARGET, "hostname: a.test, wellKnownCACertificates: All"),
    "spec.validation.wellKnownCACertificates" },
  { "a call's service", grpc "matches: [{method: {service: a..b}}]", "spec.rules[0].matches[0].method.service" },
  { "a call twice", route("rules: [{name: a}, {name: a}]", "GRPCRoute"), "spec.rules[1]" },
  { "a call's header", grpc "matches: [{headers: [{name: 'a b', value: c}]}]",
    "spec.rules[0].matches[0].headers[0].name" },
}
for _, text in ipairs { "a", "", "/a//b", "/./a", "/a/..", "/a%2fb", "/a%zz", "/a^b", "/é", "/{a}", "/a?b", "/a b" } do
  table.insert(REFUSED, { "the path " .. text, path(text, "Exact"), "spec.rules[0].matches[0].path.value" })
end
table.insert(REFUSED, { "a long path", path("/" .. long(1024)), "spec.rules[0].matches[0].path.value" })
for _, name in ipairs { "*", "a.*.b", "a.b:80", "A.test", "a_b", "-a", "a.test.", "*a.test", "1.2.3.4", long(254) } do
  table.insert(REFUSED, { "the host " .. name, host(name), "spec.hostnames[0]" })
end
for _, text in ipairs { "1.5s", "100000s", "10us", "-1s", "1h1m1s1ms1ms", "5", "s" } do
  table.insert(REFUSED, { "the duration " .. text, rule(("timeouts: {request: %q}"):format(text)),
    "spec.rules[0].timeouts.request" })
end
for _, text in ipairs { "a.test", "ftp://a.test", "https://a.test/", "https://a.*.test", "https://a.test:", "null" } do
  table.insert(REFUSED, { "the origin " .. text, cors(("allowOrigins: [%q]"):format(text)),
    "spec.rules[0].filters[0].cors.allowOrigins[0]" })
end

local TAKEN = {
  rules(times(16, "{}")), rules(times(2, "{matches: [" .. times(64, "{path: {value: /%d}}") .. "]}")),
  path("/-A0._~!$&'()*+,;=:@%20", "Exact"), path("/" .. long(1023)), path("[^/]{3}", "RegularExpression"),
  header("name: A, value: b}, {name: a, value: " .. long(4096)), query("name: a, value: " .. long(1024)),
  host(long(63) .. "." .. long(63) .. "." .. long(63) .. "." .. long(61)), host "*.a-b.test", host "0.test",
  parents "{name: gw, port: 80}, {name: gw, port: 81}, {name: gw, namespace: other}",
  rule "timeouts: {request: 0s, backendRequest: 1h30m10s500ms}", rule "timeouts: {request: 500ms1s}",
  rule "retry: {codes: [400, 599], attempts: 1, backoff: 1ms}", redirect "hostname: a.test, port: 65535, scheme: https",
  cors("allowOrigins: ['https://*', 'http://*.a.test:8080', 'https://a'], exposeHeaders: ['*', a], maxAge: 1, "
    .. "allowCredentials: true, allowHeaders: ['*'], allowMethods: ['*']"),
  auth ", http: {path: /check}", mirror ", fraction: {numerator: 0}", mirror ", percent: 100",
  gateway(times(64, "{name: l%d, port: 80, protocol: HTTP, hostname: a%d.test}")),
  listener "protocol: a.test/QUIC", listener "protocol: TLS, tls: {mode: Passthrough}",
  selector "operator: NotIn, values: [b]", selector "operator: DoesNotExist",
  frontend("default: {validation: {caCertificateRefs: [" .. times(16, "{name: a%d}") .. "]}}, perPort: [{port: 80, "
    .. "tls: {}}, {port: 443, tls: {}}]"),
  grant(times(16, FROM), times(16, TO)),
  policy "{group: '', kind: Service, name: web, sectionName: a}, {group: '', kind: Service, name: web, sectionName: b}",
  OTHERS .. object("GRPCRoute", "r", "parentRefs: [{name: gw}]"),
  parents "{name: gw, sectionName: a, port: 1}, {name: gw, sectionName: a, port: 2}",
  rules("{" .. PREFIX .. "}"), rules("{" .. PREFIX:gsub("/b", "b") .. "}"),
  rules("{matches: [{headers: [{name: a, value: b}]}], " .. PREFIX .. "}"),
  grpc "matches: [{method: {service: .a._b, method: _c}}]", gateway(HTTP, ", addresses: [{type: a.test/b, value: c}]"),
}

local function errors_of(text)
  return select(2, manifest.load(BASE .. text))
end

describe("what the Gateway API's server refuses:", function()
  for _, row in ipairs(REFUSED) do
    it(row[1], function()
      local errors = errors_of(row[2])
      local found = assert(errors[1], "no message")
      local lines = select(2, row[2]:gsub("\n", ""))
      assert.equal(row[3], found.message:match "^%a+ [%w-]+: ([^:%s]+)", found.message)
      assert.equal(LINES + lines - 1, found.line) -- where its spec stands
    end)
  end

  it("what it takes is taken", function()
    for _, text in ipairs(TAKEN) do assert.same({}, errors_of(text), text) end
  end)
end)
