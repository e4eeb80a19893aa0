--- router: finds the route of a request: first by host (exact, then the longest wildcard, then any), then by path,
-- then by rank among what is left. What a listener's routes do not ask about is not even read from the request.
local hosts = require "moongate.router.hosts"
local paths = require "moongate.router.paths"
local pause = require "moongate.pause"

local router = {}
router.__index = router

local find = paths.find
local byte, sub = string.byte, string.sub
local STAR = 42

-- Wildcards stand by the text after "*": ".example" for "*.example", which takes a.example and a.b.example.
local function find_wildcard(self, host, req)
  local lengths = self.suffix_lengths
  for i = 1, #lengths do
    local length = lengths[i]
    local found = #host > length and self.suffixes[sub(host, -length)]
    if found then
      local route = find(found, req)
      if route or self.strict then return route, true end
    end
  end
  return nil, false
end

local function find_by_host(self, req)
  local host = req.host
  local found = self.hosts[host]
  if found then
    local route = find(found, req)
    if route or self.strict then return route end
  end
  local route, final = find_wildcard(self, host, req)
  if final then return route end
  return self.any and find(self.any, req)
end

--- The route of a request.
-- @param listener index of the listener, from 0
-- @param req has host (lower case, no port), path, method, headers (with get), param(name) and what else routes ask
-- for, like ctx.req
-- @return a route of the model, or nil
function router:match(listener, req)
  local matcher = self[listener]
  if matcher.sections then
    matcher = matcher.sections[matcher.hosts:find(req.host)]
    if not matcher then return nil end
  end
  if matcher.only then return matcher.only end
  if matcher.by_host then return find_by_host(matcher, req) or nil end
  return matcher.any and find(matcher.any, req) or nil
end

local function builder_for(map, key)
  map[key] = map[key] or paths.builder()
  return map[key]
end

local function add(builders, route, host)
  local suffix = byte(host) == STAR and host:match("^%*(%..+)$")
  local builder
  if host == "*" then
    builders.any = builders.any or paths.builder()
    builder = builders.any
  elseif suffix then
    builder = builder_for(builders.suffixes, suffix)
  else
    builder = builder_for(builders.hosts, host)
  end
  for _, match in ipairs(route.matches) do builder:add(route, match) end
end

local function build_all(builders)
  local built = {}
  for key, builder in pairs(builders) do
    built[key] = builder:build()
    pause.here()
  end
  return built
end

local function lengths_of(map)
  local lengths, seen = {}, {}
  for key in pairs(map) do
    if not seen[#key] then
      seen[#key] = true
      lengths[#lengths + 1] = #key
    end
  end
  table.sort(lengths, function(a, b) return a > b end)
  return lengths
end

local function is_on(route, listener)
  if not route.listeners or #route.listeners == 0 then return true end
  for _, name in ipairs(route.listeners) do
    if name == listener.name then return true end
  end
  return false
end

-- The matcher of a listener's routes, or of those of one section of it (nil: of all).
local function matcher_for(listener, routes, section)
  local builders = { hosts = {}, suffixes = {}, any = nil }
  for _, route in ipairs(routes) do
    if is_on(route, listener) and (not section or not route.section or route.section == section) then
      local patterns = route.hosts and #route.hosts > 0 and route.hosts or { "*" }
      for _, host in ipairs(patterns) do add(builders, route, host) end
    end
    pause.here()
  end
  local self = {
    hosts = build_all(builders.hosts), suffixes = build_all(builders.suffixes),
    suffix_lengths = lengths_of(builders.suffixes), any = builders.any and builders.any:build() or false,
    strict = listener.strict_hosts or false,
  }
  self.by_host = next(self.hosts) ~= nil or next(self.suffixes) ~= nil
  self.only = not self.by_host and self.any and self.any.only
  return self
end

-- A listener whose sections hide each other's routes, told apart by host (Gateway API: listener isolation).
local function sectioned(listener, routes)
  local self = { hosts = hosts.new(listener.sections), sections = {} }
  for _, section in ipairs(listener.sections) do self.sections[section] = matcher_for(listener, routes, section) end
  return self
end

--- Compiles the routes of a model, for each of its listeners.
function router.new(model)
  local self = setmetatable({}, router)
  for i, listener in ipairs(model.listeners) do
    self[i - 1] = (listener.sections and sectioned or matcher_for)(listener, model.routes)
  end
  return self
end

return router
