--- `moongate explain` on every row of Istio's cases about AuthorizationPolicies: it decides as the row says; and, asked
-- what a client in clear text can ask, as the running gateway does, by the same rule.
require "spec.support.native"
local cases = require "spec.support.istio_cases"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "moongate.json"
local net = require "spec.support.net"
local upstream = require "spec.support.upstream"

local TOKEN = "0123456789abcdef"

local function endpoints(case, port)
  return { { apiVersion = "discovery.k8s.io/v1", kind = "EndpointSlice", addressType = "IPv4",
    metadata = { name = "protected-1", namespace = case.context.namespace,
      labels = { ["kubernetes.io/service-name"] = "protected" } },
    ports = json.array { { name = "http", port = port } },
    endpoints = json.array { { addresses = json.array { "127.0.0.1" } } } } }
end

local function mistakes_in(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    local message = line:match ":%d+: (%S+ %S+: spec%..*)$"
    if message and not message:find "^warning" then list[#list + 1] = { message = message } end
  end
  return list
end

-- The files of a case as one text that moongate takes.
local function text_of(case, port)
  local policies = cases.policies_of(case)
  local text = cases.text(case, policies, endpoints(case, port))
  local code, said = gateway.run("check", gateway.write(gateway.folder() .. "/case.json", text))
  if code == 0 then return text end
  cases.drop_refused(policies, mistakes_in(said))
  return cases.text(case, policies, endpoints(case, port))
end

local function explained(...) return assert(json.decode(gateway.explained(...))) end

local function rule_of(record)
  for _, step in ipairs(record.steps or {}) do
    if step.policy == "rbac" then return step.rule, step.why[1].at end
  end
end

-- Of several rules that refuse a request, the first in the alphabet is named.
local function check_row(case, path)
  local request, expected, words = case.request, case.expect, {}
  local source = request.source
  local function add(option, value)
    if value then words[#words + 1], words[#words + 2] = option, value end
  end
  add("--principal", source.principal)
  add("--source-ip", source.ip)
  add("--sni", request.sni)
  local headers = { ["x-forwarded-for"] = source.remoteIp }
  for name, value in pairs(request.headers) do headers[name] = value end
  local record = explained(path,
    { method = request.method, path = request.path, host = request.host, headers = headers }, words)
  assert.equal(expected.status, record.response.status)
  if expected.status == 403 then
    assert.equal(expected.body, record.response.body)
    local rule, at = rule_of(record)
    assert.equal(("rbac_access_denied_matched_policy[%s]"):format(rule), record.answer.details)
    assert.is_true(rule == expected.matchedPolicy or rule < expected.matchedPolicy, rule)
    assert.truthy(rule == "none" or at:find "^.+:%d+$")
  end
end

-- What a client of 127.0.0.1 in clear text is told, of both.
local function check_clear(case, path, port)
  local request = case.request
  local record = explained(path, request, { "--source-ip", "127.0.0.1" })
  local headers = { ["x-moongate-explain"] = TOKEN }
  for name, value in pairs(request.headers) do headers[name] = value end
  local real = assert(http.ask("127.0.0.1:" .. port, { method = request.method, path = request.path,
    host = request.host, headers = headers }))
  assert.same({ real.status, real.body }, { record.response.status, record.response.body })
  local said = real.headers["x-moongate-explain"]
  if said then assert.equal(record.answer.details, said:match "details=([^;]+)") end
end

local function key_of(case)
  return json.encode { table.concat(case.policies, " "), case.context.namespace, case.context.pathNormalization,
    case.context.trustDomain, case.request.destination.ip, case.request.destination.port,
    case.context.rootNamespace, table.concat(case.context.trustDomainAliases or {}, " "),
    next(case.context.labels), select(2, next(case.context.labels)) }
end

-- What can be sent: HTTP, a method that is a token, and nothing that only another policy finds out about a token.
local function can_be_sent(case)
  local request = case.request
  return case.context.protocol ~= "tcp" and not request.jwt and not request.jwtToken
    and not request.method:find "[^%w!#$%%&'*+.^_`|~-]"
end

-- Rows that speak of the same files share a gateway.
local function grouped(rows)
  local groups, by_key = {}, {}
  for _, case in ipairs(rows) do
    if can_be_sent(case) then
      local key = key_of(case)
      if not by_key[key] then
        by_key[key] = { name = table.concat(case.policies, " ") }
        groups[#groups + 1] = by_key[key]
      end
      table.insert(by_key[key], case)
    end
  end
  return groups
end

describe("explain decides as Istio's cases and the gateway do:", function()
  local up

  setup(function() up = upstream.start(function(request)
    request:read()
    return { body = "" }
  end) end)
  teardown(gateway.stop_all)

  for _, group in ipairs(grouped(cases.rows "authz.json")) do
    it(("%s, %d rows"):format(group.name, #group), function()
      local first = group[1]
      local port = first.request.destination.port
      local offset = net.free_offset { port }
      local token = gateway.write(gateway.folder() .. "/token", TOKEN)
      local gw = gateway.start { name = "case.json", config = text_of(first, up.port),
        args = { "--port-offset", tostring(offset), "--bind", "127.0.0.1",
          "--explain-token", token, "--admin", "127.0.0.1:" .. net.free_port() } }
      for _, case in ipairs(group) do
        check_row(case, gw.path)
        check_clear(case, gw.path, port + offset)
      end
      gw:stop()
    end)
  end
end)
