--- Turns the HTTP routes of a VirtualService into routes of the model, for one listener.
-- Rules: VirtualService (networking.istio.io), HTTPRoute, HTTPMatchRequest, HTTPRetry and HTTPFaultInjection.
local names = require "moongate.config.manifests.names"

local virtual_services = {}

-- Envoy's default where a route says nothing: a connection that could not be made is tried again elsewhere.
local DEFAULT_RETRIES = { attempts = 2, on = "connect-failure", back_off = 25 }
local RETRY_ON = { ["connect-failure"] = true, ["5xx"] = true, ["gateway-error"] = true, reset = true,
  ["retriable-4xx"] = true }
-- Only HTTP/2 and gRPC know these; over HTTP/1.1 they cannot happen.
local NO_EFFECT = { ["refused-stream"] = true, cancelled = true, unavailable = true, ["retriable-status-codes"] = true }
local PSEUDO = { uri = true, scheme = true, method = true, authority = true } -- not header names, says Istio

local function with(path, ...)
  local longer = { unpack(path) }
  for _, step in ipairs { ... } do longer[#longer + 1] = step end
  return longer
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

--- { exact = } or { prefix = } of a StringMatch, { present = true } of an empty one if that may stand.
local function string_match(object, path, match, may_be_empty)
  if match.exact and match.prefix then
    object:refuse(path, "expected one of exact and prefix, found both")
  elseif match.exact then
    return { exact = match.exact }
  elseif match.prefix then
    return { prefix = match.prefix }
  elseif may_be_empty then
    return { present = true }
  else
    object:refuse(path, "expected exact or prefix")
  end
end

local function value_matches(object, path, map, list, invert)
  for _, name in ipairs(sorted_keys(map)) do
    local value = not PSEUDO[name] and string_match(object, with(path, name), map[name], true)
    if value then
      value.name, value.invert = name, invert
      list[#list + 1] = value
    end
  end
  return list
end

local function uri_match(object, path, uri)
  local value = uri and string_match(object, path, uri)
  -- A prefix is one of the text here, not of path elements as in an HTTPRoute.
  return value and { exact = value.exact, starts_with = value.prefix }
end

local function method_match(object, path, method)
  local value = method and string_match(object, path, method)
  if value and value.prefix then object:refuse(with(path, "prefix"), "is not supported yet") end
  return value and value.exact
end

local function convert_match(object, path, match)
  local headers = value_matches(object, with(path, "headers"), match.headers, {})
  return {
    path = uri_match(object, with(path, "uri"), match.uri),
    method = method_match(object, with(path, "method"), match.method),
    headers = value_matches(object, with(path, "withoutHeaders"), match.withoutHeaders, headers, true),
    query = value_matches(object, with(path, "queryParams"), match.queryParams, {}),
  }
end

--- Whether a match counts at this listener.
local function counts(object, match, from)
  if match.port and match.port ~= from.port then return false end
  if not match.gateways then return true end
  for _, gateway in ipairs(match.gateways) do
    local namespace, name = names.reference(gateway, object.namespace)
    if gateway == from.gateway or from.gateways and from.gateways[namespace .. "/" .. name] then return true end
  end
  return false
end

--- The matches of a route that count here; nil when it has some and none of them does.
local function matches_of(object, path, http, from)
  if not http.match or #http.match == 0 then return {} end
  local list = {}
  for i, match in ipairs(http.match) do
    if counts(object, match, from) then
      list[#list + 1] = convert_match(object, with(path, "match", i), match)
    end
  end
  return #list > 0 and list or nil
end

--- Backends of a route. One destination takes all whatever its weight; of several, those with 0 get nothing.
local function backends_of(object, path, http, from)
  local list, several, sum = {}, #(http.route or {}) > 1, 0
  for i, entry in ipairs(http.route or {}) do
    local at = with(path, "route", i, "destination")
    local service, subset = from.backends:resolve(object, at, entry.destination, from)
    sum = sum + entry.weight
    if service and (entry.weight > 0 or not several) then
      list[#list + 1] = { service = service, subset = subset, weight = several and entry.weight or 1,
        at = object:place(at) }
    end
  end
  if not http.route or #http.route == 0 then
    object:refuse(path, "expected route with at least one destination")
  elseif several and sum == 0 then
    object:refuse(with(path, "route"), "the weights add up to 0; expected at least one above 0")
  end
  return list
end

local function retry_conditions(object, path, text)
  local list = {}
  for token in text:gmatch("[^,%s]+") do
    if RETRY_ON[token] or token:find("^[1-5]%d%d$") then
      list[#list + 1] = token
    elseif not NO_EFFECT[token] then
      object:refuse(path, ("%s is not supported yet; 5xx, gateway-error, reset, connect-failure, retriable-4xx and "
        .. "status codes are"):format(token))
    end
  end
  return list
end

local function retries_of(object, path, http)
  local said = http.retries or {}
  local attempts = said.attempts or DEFAULT_RETRIES.attempts
  local text = said.retryOn ~= "" and said.retryOn or DEFAULT_RETRIES.on
  local conditions = retry_conditions(object, with(path, "retries", "retryOn"), text)
  if attempts == 0 or #conditions == 0 then return nil, said.perTryTimeout end
  local base = said.backoff or DEFAULT_RETRIES.back_off
  return { attempts = attempts, on = conditions, back_off = base, max_back_off = base * 10 }, said.perTryTimeout
end

--- The settings of policy fault; a share that is absent is none (not all).
local function fault_of(object, path, fault)
  local delay, abort = fault.delay, fault.abort
  local delayed = delay and delay.percentage and delay.percentage.value or 0
  local aborted = abort and abort.percentage and abort.percentage.value or 0
  if delayed == 0 and aborted == 0 then return nil end
  return { name = "fault", at = object:place(path), conf = {
    delay = delayed > 0 and delay.fixedDelay > 0 and { fixed = delay.fixedDelay / 1000, percent = delayed } or nil,
    abort = aborted > 0 and { status = abort.httpStatus, percent = aborted } or nil,
  } }
end

local function convert(object, i, http, from)
  local path = { "spec", "http", i }
  local matches = matches_of(object, path, http, from)
  if not matches then return nil end
  local retries, per_try = retries_of(object, path, http)
  return {
    name = ("%s/%s/%s"):format(object.namespace, object.name, http.name or i - 1), at = object:place(path),
    matches = #matches > 0 and matches or nil,
    policies = { http.fault and fault_of(object, with(path, "fault"), http.fault) },
    backends = backends_of(object, path, http, from),
    timeout = http.timeout and http.timeout > 0 and http.timeout or nil, per_try_timeout = per_try, retries = retries,
  }
end

--- Whether a match holds for every request, so that nothing after it is reached.
function virtual_services.is_catch_all(match)
  local path = match.path
  return (not path or path.starts_with == "/" or path.starts_with == "") and not match.method
    and #(match.headers or {}) == 0 and #(match.query or {}) == 0
end

--- Whether a route takes every request that reaches it.
function virtual_services.takes_all(route)
  for _, match in ipairs(route.matches or { {} }) do
    if virtual_services.is_catch_all(match) then return true end
  end
  return false
end

--- The retries of a route that nobody wrote.
function virtual_services.default_retries()
  return { attempts = DEFAULT_RETRIES.attempts, on = { DEFAULT_RETRIES.on }, back_off = DEFAULT_RETRIES.back_off,
    max_back_off = DEFAULT_RETRIES.back_off * 10 }
end

--- Routes of one VirtualService at one listener, in the order written.
-- @param from { port, gateway = "mesh" or nil, gateways = set of "ns/name" or nil, service, identity, backends }
-- @return array of draft routes (without hosts and listeners); what cannot be reached is left out with a warning
function virtual_services.routes(object, from)
  local list = {}
  for i, http in ipairs(object.spec.http or {}) do
    local route = convert(object, i, http, from)
    if route then
      list[#list + 1] = route
      if virtual_services.takes_all(route) and object.spec.http[i + 1] then
        object:warn({ "spec", "http", i + 1 }, "is never reached: the route before it takes every request")
        break
      end
    end
  end
  return list
end

return virtual_services
