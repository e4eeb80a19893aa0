--- route: checks one route of a model: hosts, listeners, matches, backends, retries.
local address = require "moongate.model.address"
local defaults = require "moongate.model.defaults"
local join = require("moongate.schema").join
local regex = require "moongate.regex"
local suggest = require "moongate.suggest"

local route_check = {}

local RETRY_ON = { "connect-failure", "5xx", "gateway-error", "reset", "retriable-4xx", "envoy-ratelimited",
  "cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable" }
local TOKEN = "^[%w!#$%%&'*+.^_`|~-]+$" -- RFC 9110 section 5.6.2

local function check_hosts(route, path, report)
  address.check_patterns(route.hosts or {}, function(i, message) report(join(join(path, "hosts"), i), message) end)
end

local function check_listeners(route, known, path, report)
  for i, name in ipairs(route.listeners or {}) do
    if not known[name] then
      local hint = suggest.hint(name, suggest.keys(known))
      report(join(join(path, "listeners"), i), ("unknown listener '%s'%s"):format(name, hint))
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
    report(join(path, "section"), ("no listener of it has a section '%s'%s"):format(section,
      suggest.hint(section, suggest.keys(there))))
  end
end

-- Reports unless exactly one of `names` is set, and a regular expression that is none.
local function check_kinds(rule, names, path, report)
  local kinds = 0
  for _, name in ipairs(names) do kinds = kinds + (rule[name] and 1 or 0) end
  if kinds ~= 1 then
    report(path, ("expected exactly one of '%s'"):format(table.concat(names, "', '"):gsub("present", "present = true")))
  end
  local why = rule.regex and select(2, regex.compile(rule.regex))
  if why then report(join(path, "regex"), ("bad regular expression %q; %s"):format(rule.regex, why)) end
end

local function check_path(rule, path, report)
  for _, kind in ipairs { "exact", "prefix", "starts_with" } do
    local value = rule[kind]
    if value and (value:find("[?#%s%c]") or value:sub(1, 1) ~= "/" and value ~= "") then
      report(join(path, kind), ('bad path %q; expected one that starts with "/" and has no "?" or "#"'):format(value))
    end
  end
  check_kinds(rule, { "exact", "prefix", "starts_with", "regex" }, path, report)
  if rule.regex and rule.ignore_case then
    report(join(path, "ignore_case"), 'stands without regex, which says it itself: "(?i)..."')
  end
end

local function check_values(rules, path, lower, report)
  for i, rule in ipairs(rules or {}) do
    local at = join(path, i)
    check_kinds(rule, { "exact", "prefix", "suffix", "regex", "present" }, at, report)
    if lower then
      rule.name = rule.name:lower()
      if not rule.name:find(TOKEN) then report(at, ("bad header name %q; expected a token"):format(rule.name)) end
    end
  end
end

local function check_method(method, path, report)
  if type(method) == "string" and not method:find(TOKEN) then
    report(path, ('bad method %q; expected a token such as "GET"'):format(method))
  end
end

local function check_matches(route, path, report)
  for i, match in ipairs(route.matches or {}) do
    local at = join(join(path, "matches"), i)
    if match.path then check_path(match.path, join(at, "path"), report) end
    check_method(match.method, join(at, "method"), report)
    for _, name in ipairs { "method", "authority", "scheme", "principal" } do
      if type(match[name]) == "table" then
        check_kinds(match[name], { "exact", "prefix", "suffix", "regex" }, join(at, name), report)
      end
    end
    for j, rule in ipairs(match.claims or {}) do
      check_kinds(rule, { "exact", "prefix", "suffix", "regex", "present" }, join(join(at, "claims"), j), report)
    end
    check_values(match.headers, join(at, "headers"), true, report)
    check_values(match.query, join(at, "query"), false, report)
  end
end

local function check_backend(backend, services, path, report)
  if not backend.service then return end
  local service = services[backend.service]
  if not service then
    local hint = suggest.hint(backend.service, suggest.keys(services))
    return report(join(path, "service"), ("unknown service '%s'%s"):format(backend.service, hint))
  end
  if backend.subset and not (service.subsets or {})[backend.subset] then
    local hint = suggest.hint(backend.subset, suggest.keys(service.subsets or {}))
    local text = "unknown subset '%s' of service '%s'%s"
    report(join(path, "subset"), text:format(backend.subset, backend.service, hint))
  end
end

local function check_backends(route, services, path, report)
  local sum = 0
  route.backends = route.backends or {}
  for i, backend in ipairs(route.backends) do
    backend.weight = backend.weight or 1
    sum = sum + backend.weight
    check_backend(backend, services, join(path, i), report)
  end
  if #route.backends > 0 and sum == 0 then report(path, "the weights add up to 0; expected at least one above 0") end
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
      report(join(join(path, "on"), i), text:format(condition, hint, table.concat(RETRY_ON, "', '")))
    end
  end
  if route.retries.max_back_off < route.retries.back_off then
    report(join(path, "max_back_off"), "expected at least back_off")
  end
end

--- Checks and completes one route.
-- @param known { listeners = map by name, services = map by name, answers = whether some policy surrounds every route }
function route_check.check(route, known, path, report)
  check_hosts(route, path, report)
  check_listeners(route, known.listeners, path, report)
  if route.section then check_section(route, known.listeners, path, report) end
  check_matches(route, path, report)
  check_backends(route, known.services, join(path, "backends"), report)
  check_retries(route, join(path, "retries"), report)
  if #route.backends == 0 and #route.policies == 0 and not known.answers then
    report(path, "expected backends, or a policy that answers")
  end
end

return route_check
