--- changes: header changes of a VirtualService's route and of its destinations, as uses of policy headers.
-- Rules: Headers (networking.istio.io). Where both levels change the same header, the destination's word counts.
local path_to = require "moongate.config.manifests.path"

local changes = {}

local function is_authority(name)
  name = name:lower()
  return name == "host" or name == ":authority"
end

local function is_internal(name) return name:sub(1, 1) == ":" or is_authority(name) end

-- Authority that a map of headers names.
local function authority_in(map)
  for name, value in pairs(map or {}) do
    if is_authority(name) then return value end
  end
end

-- Names that Envoy keeps for itself are left out, as Istio does.
local function plain(map)
  local kept = {}
  for name, value in pairs(map or {}) do
    if not is_internal(name) then kept[name] = value end
  end
  return next(kept) and kept
end

local function plain_names(list)
  local kept = {}
  for _, name in ipairs(list or {}) do
    if not is_internal(name) then kept[#kept + 1] = name end
  end
  return #kept > 0 and kept or nil
end

-- One side of a level, as policy headers has it; nil when nothing changes.
local function side_of(spec)
  if not spec then return nil end
  local made = { remove = plain_names(spec.remove), set = plain(spec.set) or nil, add = plain(spec.add) or nil }
  return next(made) and made or nil
end

-- With several destinations Envoy runs one level after the other; with one they are one list, whose removals come
-- first.
local function removals_first(route, destination)
  if not route or not destination or not destination.remove then return end
  local remove = { unpack(route.remove or {}) }
  for _, name in ipairs(destination.remove) do remove[#remove + 1] = name end
  route.remove, destination.remove = remove, nil
end

local function needs_templates(...)
  for _, side in pairs { ... } do
    for _, map in pairs { side.set or {}, side.add or {} } do
      for _, value in pairs(map) do
        if value:find("%", 1, true) then return true end
      end
    end
  end
  return false
end

-- A use that changes the request, the response, or both; nil for none.
local function use(at, request, response)
  if not request and not response or not next(request or response) then return nil end
  return { name = "headers", at = at, conf = { request = request, response = response,
    templates = needs_templates(request or {}, response or {}) or nil } }
end

local function append(list, item)
  if item then list[#list + 1] = item end
end

-- Names what no change of these headers will do; the authority, which a request's set and add may name, is a rewrite.
local function warn_of_internal(object, path, spec, is_request)
  for _, kind in ipairs { "set", "add" } do
    for name in pairs(spec[kind] or {}) do
      if is_internal(name) and not (is_request and is_authority(name)) then
        object:warn(path_to(path, kind, name), "has no effect: that is no header that can be changed")
      end
    end
  end
  for i, name in ipairs(spec.remove or {}) do
    if is_internal(name) then object:warn(path_to(path, "remove", i), "has no effect: it cannot be removed") end
  end
end

local function warn_of(object, path, headers)
  if not headers then return end
  warn_of_internal(object, path_to(path, "request"), headers.request or {}, true)
  warn_of_internal(object, path_to(path, "response"), headers.response or {}, false)
end

--- The authority that a level's request headers name, or nil.
function changes.authority(headers)
  local request = headers and headers.request or {}
  return authority_in(request.set) or authority_in(request.add)
end

--- Refuses several authorities for the requests of a route (an HTTPRoute).
function changes.check_authority(object, path, http)
  local request, count = http.headers and http.headers.request or {}, 0
  for _, kind in ipairs { "set", "add" } do
    for name in pairs(request[kind] or {}) do count = count + (is_authority(name) and 1 or 0) end
  end
  if count + ((http.rewrite and http.rewrite.authority or "") ~= "" and 1 or 0) > 1 then
    object:refuse(path, "names the authority of its requests more than once")
  end
end

--- The changes of a route with one destination, or none: the uses of both levels.
function changes.single(object, path, headers, destination)
  warn_of(object, path_to(path, "headers"), headers)
  warn_of(object, path_to(path, "route", 1, "headers"), destination)
  headers, destination = headers or {}, destination or {}
  local request, response = side_of(headers.request), side_of(headers.response)
  local request2, response2 = side_of(destination.request), side_of(destination.response)
  removals_first(request, request2)
  removals_first(response, response2)
  local at, at2 = object:place(path_to(path, "headers")), object:place(path_to(path, "route", 1, "headers"))
  local uses = {}
  append(uses, use(at2, nil, response2)) -- responses go back up the list
  append(uses, use(at, request, response))
  append(uses, use(at2, request2, nil))
  return uses
end

--- The same of a route with several: the uses of the route, and for each destination (an HTTPRouteDestination) its own.
function changes.several(object, path, headers, destinations)
  warn_of(object, path_to(path, "headers"), headers)
  for i, entry in ipairs(destinations) do warn_of(object, path_to(path, "route", i, "headers"), entry.headers) end
  headers = headers or {}
  local at = object:place(path_to(path, "headers"))
  local request, response = side_of(headers.request), side_of(headers.response)
  local uses, of, answered = {}, {}, false
  for _, entry in ipairs(destinations) do answered = answered or side_of((entry.headers or {}).response) ~= nil end
  append(uses, use(at, request, not answered and response or nil))
  for i, entry in ipairs(destinations) do
    local own, place = entry.headers or {}, object:place(path_to(path, "route", i, "headers"))
    of[i] = {}
    append(of[i], use(place, nil, side_of(own.response)))
    if answered then append(of[i], use(at, nil, side_of(headers.response))) end
    append(of[i], use(place, side_of(own.request), nil))
  end
  return uses, of
end

return changes
