--- paths: finds, by the path, which candidates of one host pattern come into question.
-- Exact paths stand in a hash. Prefixes stand in one too: the path is cut at each length that some prefix has, so the
-- price is the number of different lengths, not of routes. What neither can hold (regular expressions, paths in any
-- case) is asked of every request that has found nothing of a lower rank.
local bucket = require "moongate.router.bucket"

local paths = {}

local SLASH = 47
local byte, sub = string.byte, string.sub
local find = bucket.find

local function find_elements(self, path, req, best)
  local lengths, buckets = self.element_lengths, self.elements
  for i = 1, #lengths do
    local length = lengths[i]
    if #path == length or byte(path, length + 1) == SLASH then
      local found = buckets[sub(path, 1, length)]
      if found then best = find(found, req, best) end
    end
  end
  return best
end

local function find_starts(self, path, req, best)
  local lengths, buckets = self.start_lengths, self.starts
  for i = 1, #lengths do
    local length = lengths[i]
    if #path >= length then
      local found = buckets[sub(path, 1, length)]
      if found then best = find(found, req, best) end
    end
  end
  return best
end

--- The route of the request among those of this host pattern, or nil.
function paths.find(self, req)
  if self.only then return self.only end
  local best
  if self.by_path then
    local path = req.path
    local found = self.exact[path]
    if found then best = find(found, req, nil) end
    best = find_elements(self, path, req, best)
    best = find_starts(self, path, req, best)
  end
  if self.always then best = find(self.always, req, best) end
  return best and best.route
end

local function add(map, key, candidate)
  map[key] = map[key] or {}
  table.insert(map[key], candidate)
end

local function buckets_of(map)
  local buckets, seen, lengths = {}, {}, {}
  for key, candidates in pairs(map) do
    buckets[key] = bucket.new(candidates)
    if not seen[#key] then
      seen[#key] = true
      lengths[#lengths + 1] = #key
    end
  end
  table.sort(lengths, function(a, b) return a > b end)
  return buckets, lengths
end

--- Gathers candidates: builder:add(route, match), then builder:build().
local builder = {}
builder.__index = builder

--- A builder without candidates; what build() returns is what paths.find() reads.
function paths.builder()
  return setmetatable({ exact = {}, elements = {}, starts = {}, always = {} }, builder)
end

--- Adds one match of a route.
function builder:add(route, match)
  local candidate = bucket.candidate(route, match)
  local path = match.path or {}
  if path.ignore_case then path = {} end -- the candidate asks itself, as for a regular expression
  -- "/abc/" takes what "/abc" takes, and "/" takes everything.
  local elements = path.prefix and path.prefix:gsub("/+$", "")
  local start = path.starts_with ~= "/" and path.starts_with
  if path.exact then
    add(self.exact, path.exact, candidate)
  elseif elements and elements ~= "" then
    add(self.elements, elements, candidate)
  elseif start and start ~= "" then
    add(self.starts, start, candidate)
  else
    table.insert(self.always, candidate)
  end
end

local function is_plain(candidate)
  return not candidate.method and not candidate.headers and not candidate.query and not candidate.others
end

--- The tables to look in: exact, elements and starts by path (their lengths longest first), always, only.
function builder:build()
  local made = { exact = buckets_of(self.exact) }
  made.elements, made.element_lengths = buckets_of(self.elements)
  made.starts, made.start_lengths = buckets_of(self.starts)
  made.by_path = next(made.exact) ~= nil or #made.element_lengths > 0 or #made.start_lengths > 0
  made.always = #self.always > 0 and bucket.new(self.always) or false
  local first = made.always and made.always.plain[1]
  made.only = first and not made.by_path and #made.always.keyed == 0 and is_plain(first) and first.route or false
  return made
end

return paths
