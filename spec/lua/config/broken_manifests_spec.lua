--- Manifests that are right, broken in one place: each break is said by the line where it is, and none crashes.
-- What is broken is found by rule: every field of every object below that stands on a line of its own. A mark at the
-- end of a line says what else can be wrong with its value.
require "spec.support.init"
local manifest = require "spec.support.manifest"

local GOOD = [[
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  clusterIP: 127.0.10.1
  ports:
  - name: http
    port: 8080
    targetPort: 3000
    protocol: TCP
  - name: sealed
    port: 8443
    protocol: TCP
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: web-1
  labels: {kubernetes.io/service-name: web}
addressType: IPv4
ports:
- name: http
  port: 3000
endpoints:
- addresses: [127.0.0.1] #address
  conditions:
    ready: true
---
apiVersion: v1
kind: Pod
metadata:
  name: web-0
  labels: {app: web}
spec:
  serviceAccountName: web
status:
  podIP: 127.0.0.1
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
---
apiVersion: v1
kind: Secret
metadata:
  name: pair
type: kubernetes.io/tls
stringData:
  tls.crt: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n" #pem
  tls.key: "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n" #pem
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: authorities
data:
  ca.crt: "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n" #pem
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata:
  name: edge
spec:
  gatewayClassName: moongate #ref
  addresses:
  - type: IPAddress
    value: 127.0.0.1 #address
  listeners:
  - name: http
    port: 80
    protocol: HTTP
    hostname: "*.shop.test" #host
    allowedRoutes:
      namespaces:
        from: All
  - name: https
    port: 443
    protocol: HTTPS
    tls:
      mode: Terminate
      certificateRefs:
      - name: pair #ref
  allowedListeners:
    namespaces:
      from: Same
  tls:
    frontend:
      default:
        validation:
          caCertificateRefs:
          - name: authorities #ref
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata:
  name: more
spec:
  parentRef:
    name: edge #ref
  listeners:
  - name: side
    port: 81
    protocol: HTTP
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: shop
spec:
  parentRefs:
  - name: edge #ref
    sectionName: http #ref
    port: 80
  hostnames: [a.shop.test] #host
  rules:
  - name: cart
    matches:
    - path:
        type: PathPrefix
        value: /cart
      method: GET
      headers:
      - name: x-a
        type: RegularExpression
        value: a+ #regex
      queryParams:
      - name: q
        value: one
    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier:
        set:
        - name: x-b
          value: two
        remove: [x-c]
    - type: URLRewrite
      urlRewrite:
        hostname: web.test #host
        path:
          type: ReplacePrefixMatch
          replacePrefixMatch: /basket
    - type: RequestMirror
      requestMirror:
        percent: 50
        backendRef:
          name: web #ref
          port: 8080 #ref
    - type: CORS
      cors:
        allowOrigins: ["https://a.test"]
        allowCredentials: true
        maxAge: 60
    timeouts:
      request: 10s #duration
      backendRequest: 1s #duration
    retry:
      codes: [503]
      attempts: 2
      backoff: 50ms #duration
    backendRefs:
    - name: web #ref
      port: 8080 #ref
      weight: 9
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata:
  name: calls
spec:
  parentRefs:
  - name: more #ref
    kind: ListenerSet
  rules:
  - matches:
    - method:
        type: Exact
        service: a.B
        method: C
    backendRefs:
    - name: web #ref
      port: 8080 #ref
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata:
  name: sealed
spec:
  targetRefs:
  - group: ""
    kind: Service
    name: web #ref
    sectionName: sealed
  validation:
    hostname: web.test #host
    caCertificateRefs:
    - kind: ConfigMap
      name: authorities #ref
---
apiVersion: gateway.networking.k8s.io/v1
kind: ReferenceGrant
metadata:
  name: lent
spec:
  from:
  - group: gateway.networking.k8s.io
    kind: HTTPRoute
    namespace: other
  to:
  - group: ""
    kind: Service
    name: web
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: far
spec:
  hosts: [far.test]
  location: MESH_EXTERNAL
  resolution: STATIC
  ports:
  - number: 80
    name: http
    protocol: HTTP
  endpoints:
  - address: 127.0.0.9
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata:
  name: old
spec:
  selector: {app: web}
  servers:
  - port:
      number: 8000
      name: http
      protocol: HTTP
    hosts: [old.test]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: old
spec:
  hosts: [old.test]
  gateways: [old] #ref
  http:
  - name: first
    match:
    - uri:
        prefix: /a
      headers:
        x-a:
          regex: a+ #regex
    timeout: 5s #duration
    retries:
      attempts: 2
      perTryTimeout: 1s #duration
      retryOn: 5xx,reset
    fault:
      delay:
        fixedDelay: 1s #duration
        percentage:
          value: 10
    corsPolicy:
      allowOrigins:
      - exact: https://a.test
      maxAge: 1m #duration
    route:
    - destination:
        host: web #ref
        subset: v1 #ref
        port:
          number: 8080
      weight: 100
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: web
spec:
  host: web
  trafficPolicy:
    loadBalancer:
      simple: RANDOM
    connectionPool:
      tcp:
        maxConnections: 10
        connectTimeout: 1s #duration
      http:
        maxRetries: 3
    outlierDetection:
      consecutive5xxErrors: 5
      interval: 10s #duration
      baseEjectionTime: 30s #duration
      maxEjectionPercent: 50
  subsets:
  - name: v1
    labels: {app: web}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata:
  name: guard
spec:
  selector:
    matchLabels: {app: web}
  action: DENY
  rules:
  - from:
    - source:
        ipBlocks: [10.0.0.0/8] #cidr
        principals: [cluster.local/ns/a/sa/b]
    - source:
        notRemoteIpBlocks: ["fd00::/8"] #cidr
    to:
    - operation:
        methods: [GET]
        ports: ["3000"]
    when:
    - key: source.ip
      values: [192.168.0.0/16] #cidr
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata:
  name: tokens
spec:
  jwtRules:
  - issuer: example.test
    jwks: '{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","alg":"HS256"}]}'
    forwardOriginalToken: true
    fromHeaders:
    - name: x-token
      prefix: "Bearer "
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata:
  name: peers
spec:
  mtls:
    mode: PERMISSIVE
---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata:
  name: lines
spec:
  accessLogging:
  - disabled: true
]]

-- By mark: what is no such value. What a `ref` names is nowhere.
local BAD = {
  duration = { '"5 parsecs"', "-1s", "5", "1x", "1500us", "0.5ms", "2.000000005s" },
  cidr = { "10.0.0.0/33", "300.0.0.0/8", "10.0.0.0/", "here" },
  regex = { '"(a"', '"["', '"(?=a)"', '"a{2000}"' }, host = { '"a b"', '"a.test:80"', '"https://a.test"', '""' },
  address = { '"host one"', "127.0.0.256", '"127.0.0.1:80"' }, pem = { "hello", '"-----BEGIN X-----"', '""' },
  ref = { "gone" },
}

local LINES = {}
for line in GOOD:gmatch "([^\n]*)\n" do LINES[#LINES + 1] = line end

local function with(i, text)
  local copy = { unpack(LINES) }
  copy[i] = text
  return table.concat(copy, "\n") .. "\n"
end

local BREAKS = { type = {}, unknown = {} } -- by what is wrong: { text =, line =, what = for the message }
for mark in pairs(BAD) do BREAKS[mark] = {} end

local function add(kind, i, text, line)
  table.insert(BREAKS[kind], { text = with(i, text), line = line or i, what = ("line %d: %s"):format(i, text) })
end

-- A key that no object has, beside the key on line i; `item`: the dash before it.
local function add_unknown(i, item, indent)
  local line = LINES[i]
  if not item then return add("unknown", i, indent .. "xyzzy: 1\n" .. line) end
  local blank = (" "):rep(#item)
  add("unknown", i, item .. "xyzzy: 1\n" .. blank .. line:sub(#item + 1))
end

for i, line in ipairs(LINES) do
  local plain, mark = line:match "^(.-)%s*#(%w+)$"
  local head, value = (plain or line):match "^([%s-]*[%w.-]+: )(.+)$"
  if head then
    local is_list = value:sub(1, 1) == "["
    add("type", i, head .. (is_list and "{xyzzy: 1}" or "[[1]]"))
    for _, bad in ipairs(mark and BAD[mark] or {}) do
      if mark == "ref" and tonumber(value) then bad = "999" end
      add(mark, i, head .. (is_list and "[" .. bad .. "]" or bad))
    end
  end
  local names_a_file = line:find "^%s+[%w]+%.[%w]+:" -- a key of data, where any may stand
  if line:find ":" and not names_a_file then add_unknown(i, line:match "^%s*%- ", line:match "^%s*") end
end

-- All that is said of a text, as { line =, message = }; nil and the error: it crashed.
local function said(text)
  local ok, model, errors, warnings = pcall(manifest.load, text)
  if not ok then return nil, model end
  local notes = {}
  for _, list in ipairs { errors, warnings } do
    for _, note in ipairs(list) do notes[#notes + 1] = note end
  end
  return notes, #errors
end

-- Whether one of the notes is about the line, or (of what a line refers to) about the reference that begins before it.
local function is_about(notes, line, kind)
  local before = kind == "ref" and 2 or 0
  for _, note in ipairs(notes) do
    if note.line <= line and note.line >= line - before then return true end
    if kind == "pem" and note.message:find "cannot be used: " then return true end -- where it is referred to
  end
  return false
end

-- What may be amended by another file, or by the next edit of it, is said in a warning; all else is an error.
local MAY_WARN = { ref = true, pem = true }

describe("broken manifests:", function()
  it("what they are made of is right", function()
    local notes = assert(said(GOOD))
    assert.same({}, notes)
  end)

  it("there are enough of them", function()
    local count = 0
    for kind, list in pairs(BREAKS) do
      assert.is_true(#list >= 6, kind)
      count = count + #list
    end
    assert.is_true(count >= 600, count)
  end)

  for kind, list in pairs(BREAKS) do
    it("each of those by its " .. kind .. " is said, with the line", function()
      for _, broken in ipairs(list) do
        local notes, errors = said(broken.text)
        assert.is_table(notes, broken.what .. ": " .. tostring(errors))
        assert.is_true(is_about(notes, broken.line, kind), broken.what)
        assert.is_true(errors > 0 or MAY_WARN[kind] or false, broken.what)
      end
    end)
  end
end)
