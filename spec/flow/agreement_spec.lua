--- `moongate explain` and the running gateway agree: on every request of the Gateway API's conformance cases that is
-- HTTP/1.1 in clear text, and on the walk-through's. Where there are no such cases, nothing is asked of them.
require "spec.support.init"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "moongate.json"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"
local upstream = require "spec.support.upstream"

local FOLDER = (os.getenv "MOONGATE_GWAPI" or "../shared/acceptance/gwapi") .. "/cases"

-- ---- both sides of one request --------------------------------------------------------------

local function explained(...) return assert(json.decode(gateway.explained(...))) end

local function last_of(record)
  while record.next do record = record.next end
  return record
end

-- Whether the endpoint that answered is the one of the record, or one that its shares might have drawn.
local function same_endpoint(record, served, ups)
  local last = last_of(record)
  if not served then return assert.is_nil(last.sent) end
  assert.truthy(last.endpoint, "no endpoint is explained, but " .. served .. " answered")
  local chosen = last.endpoint.address:match "%d+$" == tostring(ups[served].port)
  local drawn = #(last.shares or {}) > 1
  assert.truthy(chosen or drawn, ("%s answered, and %s is explained"):format(served, last.endpoint.address))
end

local NOT_COMPARED = { date = true, ["content-length"] = true, ["transfer-encoding"] = true, connection = true,
  ["x-served-by"] = true }

local function fields_of(headers)
  local fields = {}
  for _, field in ipairs(headers) do
    local name = field[1]:lower()
    if not NOT_COMPARED[name] then fields[name] = (fields[name] and fields[name] .. ", " or "") .. field[2] end
  end
  return fields
end

-- ---- services, each of which says its name in the header x-served-by ------------------------

local ups = {}

local function service(name)
  ups[name] = ups[name] or upstream.start(function(request)
    request:read()
    return { headers = { ["x-served-by"] = name } }
  end)
  return ups[name].port
end

-- ---- the conformance cases ------------------------------------------------------------------

local CLASS = [[
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: moongate}
spec: {controllerName: moongate.dev/gateway}
]]

local SLICE = [[
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s-0, namespace: %s, labels: {kubernetes.io/service-name: %s}}
addressType: IPv4
ports: [%s]
endpoints: [{addresses: [127.0.0.1]}]
]]

local function slice_of(resource)
  local ports, port = {}, service(resource.namespace .. "/" .. resource.name)
  for i, given in ipairs(resource.object.spec.ports) do
    ports[i] = ("{name: %q, port: %d}"):format(type(given.name) == "string" and given.name or "", port)
  end
  return SLICE:format(resource.name, resource.namespace, resource.name, table.concat(ports, ", "))
end

-- Two Gateways on one port need addresses of their own; TLS needs certificates.
local function fits(case)
  local taken = {}
  for _, resource in ipairs(case.resources) do
    if resource.kind == "EndpointSlice" then return false end
    for _, listener in ipairs(resource.kind == "Gateway" and resource.object.spec.listeners or {}) do
      if (taken[listener.port] or resource.name) ~= resource.name then return false end
      taken[listener.port] = resource.name
    end
  end
  return case.routeKind == "HTTPRoute" and #(case.secrets or {}) == 0
end

local function yaml_of(case)
  local documents = { CLASS }
  for _, resource in ipairs(case.resources) do
    documents[#documents + 1] = resource.yaml:gsub("{GATEWAY_CLASS_NAME}", "moongate")
    if resource.kind == "Service" then documents[#documents + 1] = slice_of(resource) end
  end
  return table.concat(documents, "\n---\n")
end

local function is_text(value) return type(value) == "string" and value ~= "" end

local function request_of(asked)
  local given, port = asked.request, asked.gateway.port
  local headers = {}
  for name, value in pairs(type(given.headers) == "table" and given.headers or {}) do headers[name] = value end
  return { method = given.method, path = given.path .. (is_text(given.query) and "?" .. given.query or ""),
    host = is_text(given.host) and given.host or port == 80 and "127.0.0.1" or "127.0.0.1:" .. port, headers = headers }
end

local function compare(gw, path, offset, asked)
  local request, port = request_of(asked), asked.gateway.port
  local record = explained(path, request, { "--port", tostring(port) })
  local real = assert(http.ask("127.0.0.1:" .. port + offset, request))
  local name = ("%s %s of %s at %d"):format(request.method, request.path, request.host, port)
  assert.same({ name, real.status, real.body }, { name, record.response.status, record.response.body }, gw:log())
  same_endpoint(record, real.headers["x-served-by"], ups)
  if #(last_of(record).shares or {}) < 2 then
    assert.same(fields_of(real.headers), fields_of(record.response.headers))
  end
end

local function ports_of(case)
  local ports = {}
  for _, resource in ipairs(case.resources) do
    for _, listener in ipairs(resource.kind == "Gateway" and resource.object.spec.listeners or {}) do
      ports[#ports + 1] = listener.port
    end
  end
  return ports
end

-- The requests that both sides can be asked.
local function requests_of(case)
  local list = {}
  for _, asked in ipairs(case.phases[1] and case.phases[1].requests or {}) do
    if asked.request.protocol == "http1" and asked.request.scheme == "http" then list[#list + 1] = asked end
  end
  return list
end

local function run_case(case, requests)
  local offset = net.free_offset(ports_of(case))
  local gw = gateway.start { name = "case.yaml", config = yaml_of(case),
    args = { "--port-offset", tostring(offset), "--bind", "127.0.0.1", "--admin", "127.0.0.1:" .. net.free_port() } }
  for _, asked in ipairs(requests) do compare(gw, gw.path, offset, asked) end
  gw:stop()
end

-- ---- the walk-through -----------------------------------------------------------------------

local WALK = "examples/walkthrough"

-- Its files with certificates, all services at one place, and a fault that does not take long.
local function walkthrough(certs)
  assert.equal(0, os.execute(("%s/make-certs %s"):format(WALK, certs)))
  local files = { ["secrets.yaml"] = process.file(certs .. "/secrets.yaml") }
  for path in process.read("ls " .. WALK .. "/*.yaml"):gmatch "[^\n]+" do
    files[path:match "[^/]+$"] = process.file(path)
  end
  local services = files["00-services.yaml"]:gsub("\n  port: 8080\n", "\n  port: " .. service "mesh" .. "\n")
  files["00-services.yaml"] = services:gsub("127%.0%.11%.%d", "127.0.0.1")
  files["30-web-api-gw-vs.yaml"] = files["30-web-api-gw-vs.yaml"]:gsub("fixedDelay: 5s", "fixedDelay: 50ms")
  return files
end

-- What a shell command prints, while this spec's services answer.
local function run_beside(command)
  local out = os.tmpname()
  local p = process.start({ "sh", "-c", command }, out)
  local code = loop.poll(function() return process.wait(p, 0) end, 30)
  local text = process.file(out)
  os.remove(out)
  assert.equal(0, code, text)
  return text
end

local CURL = "curl -sS -i --max-time 20 --noproxy '*' --cacert %s/ca.crt %s --resolve web-api:%d:127.0.10.1 %s "
  .. "https://web-api:%d/"

-- GET or another method of web-api by TLS, as an account or as nobody: status, body, who served it.
local function by_tls(certs, port, account, method)
  local identity = account and ("--cert %s/%s.crt --key %s/%s.key"):format(certs, account, certs, account) or ""
  local text = run_beside(CURL:format(certs, identity, port, "-X " .. method, port))
  local head, body = text:gsub("\r", ""):match "^(.-)\n\n(.*)$"
  return tonumber(head:match "^HTTP/1.1 (%d+)"), body, head:match "\nx%-served%-by: (%S+)"
end

local function check_mesh(path, certs, offset)
  for _, case in ipairs { { "sleep", "GET" }, { "sleep", "DELETE" }, { "stranger", "GET" }, { nil, "GET" } } do
    local account, method = case[1], case[2]
    local request = { method = method, path = "/", host = "web-api:8080", headers = {} }
    local record = explained(path, request, account and { "--principal", "cluster.local/ns/default/sa/" .. account }
      or {})
    local status, body, served = by_tls(certs, 8080 + offset, account, method)
    assert.same({ status, body }, { record.response.status, record.response.body })
    same_endpoint(record, served, ups)
  end
end

local function check_ingress(path, offset)
  for _, case in ipairs { { "istioexplained.io" }, { "istioexplained.io", "Amy" }, { "other.test" } } do
    local request = { method = "GET", path = "/", host = case[1], headers = { user = case[2] } }
    local record = explained(path, request, { "--port", "80" })
    local real = assert(http.ask("127.0.0.1:" .. 80 + offset, request))
    assert.same({ real.status, real.body }, { record.response.status, record.response.body })
    assert.same(fields_of(real.headers), fields_of(record.response.headers))
    same_endpoint(record, real.headers["x-served-by"], ups)
    assert.equal(case[1] ~= "other.test", record.next ~= nil) -- it went on to the mesh's listener
  end
end

local function walk()
  local certs, offset = gateway.folder(), net.free_offset { 80, 8080 }
  local files = walkthrough(certs)
  local first = files["00-services.yaml"]
  files["00-services.yaml"] = nil
  local gw = gateway.start { name = "00-services.yaml", config = first, files = files, run_folder = true,
    args = { "--port-offset", tostring(offset), "--admin", "127.0.0.1:" .. net.free_port() } }
  check_mesh(gw.folder, certs, offset)
  check_ingress(gw.folder, offset)
  gw:stop()
end

describe("explain and the gateway agree on", function()
  teardown(gateway.stop_all)

  for path in process.read("ls " .. FOLDER .. "/*.json 2>/dev/null"):gmatch "[^\n]+" do
    local case = assert(json.decode(assert(process.file(path))))
    local requests = fits(case) and requests_of(case) or {}
    if #requests > 0 then it(case.name, function() run_case(case, requests) end) end
  end

  it("the walk-through's steps", walk)
end)
