--- match: what the matches of a VirtualService's route ask of a request, and where they count at all.
-- Rules: HTTPMatchRequest and StringMatch (networking.istio.io).
local binding = require "moongate.config.manifests.virtual_services.binding"
local claims_of = require "moongate.claims"
local names = require "moongate.config.manifests.names"
local path_to = require "moongate.config.manifests.path"
local pattern = require "moongate.config.manifests.pattern"

local match = {}

local PSEUDO = { uri = true, scheme = true, method = true, authority = true } -- not header names, says Istio

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map or {}) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

-- { exact = }, { prefix = } or { regex = } of a StringMatch; { present = true } of an empty one, or of the regex "*",
-- where that may stand.
-- @param may_be_empty whether {} may stand there; @param any_start whether an empty prefix may: elsewhere it would
-- match what has no such value, too
local function string_match(object, path, spec, may_be_empty, any_start)
  if spec.prefix == "" and not any_start then
    return object:refuse(path_to(path, "prefix"), "expected a text; {} means that it is there")
  end
  local count = (spec.exact and 1 or 0) + (spec.prefix and 1 or 0) + (spec.regex and 1 or 0)
  if count > 1 then
    return object:refuse(path, "expected one of exact, prefix and regex, found several")
  elseif count == 0 and not may_be_empty then
    return object:refuse(path, "expected exact, prefix or regex")
  elseif count == 0 or may_be_empty and spec.regex == "*" then
    return { present = true }
  elseif spec.regex then
    return { regex = pattern.check(object, path_to(path, "regex"), spec.regex) }
  end
  return { exact = spec.exact, prefix = spec.prefix }
end

local function header_matches(object, path, map, list, claims, without)
  for _, name in ipairs(sorted_keys(map)) do
    local at = path_to(path, name)
    if PSEUDO[name] then object:warn(at, "is not asked: that is no header here, as Istio has it") end
    local value = not PSEUDO[name] and string_match(object, at, map[name], true)
    local claim = value and claims_of.names(name)
    if claim then
      value.path, value.invert = claim, without
      claims[#claims + 1] = value
    elseif value then
      -- Of withoutHeaders a header that is not there counts as an empty one.
      value.name, value.invert, value.empty_if_absent = name, without, without and not value.present or nil
      list[#list + 1] = value
    end
  end
  return list
end

local function query_matches(object, path, map)
  local list = {}
  for _, name in ipairs(sorted_keys(map)) do
    local value = string_match(object, path_to(path, name), map[name], true)
    if value then
      value.name = name
      list[#list + 1] = value
    end
  end
  return list
end

local function uri_match(object, path, spec)
  local value = spec.uri and string_match(object, path_to(path, "uri"), spec.uri, false, true)
  if not value then return nil end
  -- A prefix is one of the text here, not of path elements as in an HTTPRoute.
  return { exact = value.exact, starts_with = value.prefix, regex = value.regex,
    ignore_case = spec.ignoreUriCase and not value.regex or nil }
end

local function field_match(object, path, spec, name)
  return spec[name] and string_match(object, path_to(path, name), spec[name]) or nil
end

--- What a match asks, as a match of the model.
-- @param path of the match in the object
function match.convert(object, path, spec)
  local claims = {}
  local headers = header_matches(object, path_to(path, "headers"), spec.headers, {}, claims)
  local method = field_match(object, path, spec, "method")
  return {
    path = uri_match(object, path, spec),
    method = method and (method.exact or method),
    scheme = field_match(object, path, spec, "scheme"), authority = field_match(object, path, spec, "authority"),
    headers = header_matches(object, path_to(path, "withoutHeaders"), spec.withoutHeaders, headers, claims, true),
    claims = #claims > 0 and claims or nil,
    query = query_matches(object, path_to(path, "queryParams"), spec.queryParams),
  }
end

-- Labels and namespace are those of who applies the routes: of a gateway its pods', and of a waypoint none that
-- would say anything of the caller.
local function is_from(spec, from)
  if from.gateway == "mesh" then return next(spec.sourceLabels or {}) == nil and (spec.sourceNamespace or "") == "" end
  if (spec.sourceNamespace or "") ~= "" and spec.sourceNamespace ~= from.namespace then return false end
  return names.selects(spec.sourceLabels or {}, from.labels or {})
end

--- Whether a match counts at a listener.
-- @param from { port, gateway = "mesh" or nil, gateways = set of "ns/name" or nil, labels and namespace of its pods,
-- anywhere = true: every match counts }
function match.counts(object, path, spec, from)
  if from.anywhere then return true end
  if spec.port and spec.port ~= from.port then return false end
  if not spec.gateways or #spec.gateways == 0 then
    local counts = is_from(spec, from)
    if not counts and from.gateway == "mesh" then
      object:warn(path_to(path, spec.sourceNamespace and "sourceNamespace" or "sourceLabels"),
        "tells callers apart by their own proxy, which there is none of: this match takes nothing in the mesh")
    end
    return counts
  end
  for _, text in ipairs(spec.gateways) do
    local gateway = binding.gateway(text, object.namespace)
    if text == from.gateway or from.gateways and from.gateways[gateway] then return true end
  end
  return false
end

--- Whether a match of the model can hold at a listener: claims of tokens are known at gateways only.
function match.is_possible(object, path, made, from)
  if not made.claims then return true end
  if from.gateway == "mesh" then
    object:warn(path, "asks for claims of a token, which count at gateways only: it takes nothing in the mesh")
  elseif from.claimants then
    table.insert(from.claimants, { object, path })
  end
  return from.gateway ~= "mesh"
end

--- Whether a match of the model holds for every request, so that nothing after it is reached.
function match.is_catch_all(made)
  local path = made.path
  return (not path or path.starts_with == "/" or path.starts_with == "" or path.regex == ".*")
    and not made.method and not made.scheme and not made.authority and not made.principal and not made.claims
    and #(made.headers or {}) == 0 and #(made.query or {}) == 0
end

return match
