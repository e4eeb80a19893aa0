--- route: checks one route of a model: hosts, listeners, matches, backends, retries.
local address = require "moongate.model.address"
local defaults = require "moongate.model.defaults"
local new_table = require "table.new"
local regex = require "moongate.regex"
local suggest = require "moongate.suggest"

local route_check = {}

local RETRY_ON = { "connect-failure", "5xx", "gateway-error", "reset", "retriable-4xx", "envoy-ratelimited",
  "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable" }
local PATH_KINDS = { "exact", "prefix", "starts_with", "regex" }
local PLAIN_PATH_KINDS = { "exact", "prefix", "starts_with" }
local TEXT_KINDS = { "exact", "prefix", "suffix", "regex" }
local VALUE_KINDS = { "exact", "prefix", "suffix", "regex", "present" }
local TEXTS = { "method", "authority", "scheme", "principal" } -- parts of a match
local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$" -- RFC 9110 section 5.6.2

-- `path` with up to four more keys.  It is made where there is a mistake to report: a config may have thousands of
-- routes, and nearly all are right.
local function at(path, a, b, c, d)
  local count = #path
  local longer = new_table(count + 4, 0)
  for i = 1, count do longer[i] = path[i] end
  longer[count + 1], longer[count + 2], longer[count + 3], longer[count + 4] = a, b, c, d
  return longer
end

local function check_hosts(route, path, report)
  for i, host in ipairs(route.hosts or {}) do
    local pattern, why = address.host_pattern(host)
    if pattern then
      route.hosts[i] = pattern
    else
      report(at(path, "hosts", i), ("bad host %q; %s"):format(host, why))
    end
  end
end

local function check_listeners(route, known, path, report)
  for i, name in ipairs(route.listeners or {}) do
    if not known[name] then
      local hint = suggest.hint(name, suggest.keys(known))
      report(at(path, "listeners", i), ("unknown listener '%s'%s"):format(name, hint))
    end
  end
end

-- The section of a route is one that some of its listeners have.
local function check_section(route, known, path, report)
  local section, there = route.section:lower(), {}
  local listed = route.listeners and #route.listeners > 0
  for _, name in ipairs(listed and route.listeners or suggest.keys(known)) do
    for _, host in ipairs(known[name] and known[name].sections or {}) do there[host] = true end
  end
  route.section = section
  if not there[section] then
    report(at(path, "section"), ("no listener of it has a section '%s'%s"):format(section,
      suggest.hint(section, suggest.keys(there))))
  end
end

-- Reports at path.a.b.c.d unless exactly one of `names` is set, and a regular expression that is none.
local function check_kinds(rule, names, report, path, a, b, c, d)
  local kinds = 0
  for _, name in ipairs(names) do kinds = kinds + (rule[name] and 1 or 0) end
  if kinds ~= 1 then
    local text = ("expected exactly one of '%s'"):format(table.concat(names, "', '"):gsub("present", "present = true"))
    report(at(path, a, b, c, d), text)
  end
  local why = rule.regex and select(2, regex.compile(rule.regex))
  if why then
    report(at(at(path, a, b, c, d), "regex"), ("bad regular expression %q; %s"):format(rule.regex, why))
  end
end

local function check_path(rule, path, i, report)
  for _, kind in ipairs(PLAIN_PATH_KINDS) do
    local value = rule[kind]
    if value and (value:find("[?#%s%c]") or value:sub(1, 1) ~= "/" and value ~= "") then
      report(at(path, "matches", i, "path", kind),
        ('bad path %q; expected one that starts with "/" and has no "?" or "#"'):format(value))
    end
  end
  check_kinds(rule, PATH_KINDS, report, path, "matches", i, "path")
  if rule.regex and rule.ignore_case then
    report(at(path, "matches", i, "path", "ignore_case"), 'stands without regex, which says it itself: "(?i)..."')
  end
end

local function check_values(rules, path, i, name, report)
  for j, rule in ipairs(rules or {}) do
    check_kinds(rule, VALUE_KINDS, report, path, "matches", i, name, j)
    if name == "headers" then
      rule.name = rule.name:lower()
      if not rule.name:find(TOKEN) then
        report(at(path, "matches", i, name, j), ("bad header name %q; expected a token"):format(rule.name))
      end
    end
  end
end

local function check_match(match, path, i, report)
  if match.path then check_path(match.path, path, i, report) end
  local method = match.method
  if type(method) == "string" and not method:find(TOKEN) then
    report(at(path, "matches", i, "method"), ('bad method %q; expected a token such as "GET"'):format(method))
  end
  for _, name in ipairs(TEXTS) do
    if type(match[name]) == "table" then
      check_kinds(match[name], TEXT_KINDS, report, path, "matches", i, name)
    end
  end
  check_values(match.claims, path, i, "claims", report)
  check_values(match.headers, path, i, "headers", report)
  check_values(match.query, path, i, "query", report)
end

local function check_backend(backend, services, path, i, report)
  if not backend.service then return end
  local service = services[backend.service]
  if not service then
    local hint = suggest.hint(backend.service, suggest.keys(services))
    return report(at(path, "backends", i, "service"),
      ("unknown service '%s'%s"):format(backend.service, hint))
  end
  if backend.subset and not (service.subsets or {})[backend.subset] then
    local hint = suggest.hint(backend.subset, suggest.keys(service.subsets or {}))
    local text = "unknown subset '%s' of service '%s'%s"
    report(at(path, "backends", i, "subset"), text:format(backend.subset, backend.service, hint))
  end
end

local function check_backends(route, services, path, report)
  local sum = 0
  route.backends = route.backends or {}
  for i, backend in ipairs(route.backends) do
    backend.weight = backend.weight or 1
    sum = sum + backend.weight
    check_backend(backend, services, path, i, report)
  end
  if #route.backends > 0 and sum == 0 then
    report(at(path, "backends"), "the weights add up to 0; expected at least one above 0")
  end
end

local function check_retries(route, path, report)
  if not route.retries then return end
  defaults.fill(route.retries, defaults.retries)
  route.retries.on = route.retries.on or defaults.retry_on
  for i, condition in ipairs(route.retries.on) do
    local known = condition:find("^[1-5]%d%d$")
    for _, name in ipairs(RETRY_ON) do known = known or name == condition end
    if not known then
      local text = "unknown condition '%s'%s; expected a status such as \"503\", or one of '%s'"
      local hint = suggest.hint(condition, RETRY_ON)
      report(at(path, "retries", "on", i), text:format(condition, hint, table.concat(RETRY_ON, "', '")))
    end
  end
  if route.retries.max_back_off < route.retries.back_off then
    report(at(path, "retries", "max_back_off"), "expected at least back_off")
  end
end

--- Checks and completes one route.
-- @param known { listeners = map by name, services = map by name, answers = whether some policy surrounds every route }
function route_check.check(route, known, path, report)
  check_hosts(route, path, report)
  check_listeners(route, known.listeners, path, report)
  if route.section then check_section(route, known.listeners, path, report) end
  for i, match in ipairs(route.matches or {}) do check_match(match, path, i, report) end
  check_backends(route, known.services, path, report)
  check_retries(route, path, report)
  if #route.backends == 0 and #route.policies == 0 and not known.answers then
    report(path, "expected backends, or a policy that answers")
  end
end

return route_check
