--- paths: finds, by the path, which candidates of one host pattern come into question.
-- Exact paths stand in a hash. Prefixes stand in one too: the path is cut at each length that some prefix has, so the
-- price is the number of different lengths, not of routes. What neither can hold (regular expressions, paths in any
-- case) is asked of every request that has found nothing of a lower rank.
local bucket = require "moongate.router.bucket"
local pause = require "moongate.pause"

local paths = {}

local SLASH = 47
local NONE = {}
local byte, sub = string.byte, string.sub
local find = bucket.find

local ELEMENTS = [[
if #path == $n or byte(path, $n + 1) == SLASH then
  found = elements[sub(path, 1, $n)]
  if found then best = find(found, req, best) end
end]]
local STARTS = [[
if #path >= $n then
  found = starts[sub(path, 1, $n)]
  if found then best = find(found, req, best) end
end]]
local LOOP = [[
for i = 1, #lengths do
  local n = lengths[i]
  $body
end]]
local MOST_LINES = 16 -- lengths, past which a loop is the better code

local function steps(template, lengths, lengths_of)
  if #lengths > MOST_LINES then
    return (LOOP:gsub("lengths", lengths_of):gsub("$body", (template:gsub("$n", "n"))))
  end
  local lines = {}
  for i, length in ipairs(lengths) do lines[i] = template:gsub("$n", length) end
  return table.concat(lines, "\n")
end

local makers = {} -- by code: what has prefixes of the same lengths shares one prototype, and so its traces

-- The look-up of prefixes as a straight line: a loop of its own would be a trace of its own, and what follows it in a
-- request would be left to the interpreter.
local function prefix_finder(self)
  local code = ([[local byte, sub, find, SLASH = ...
return function(self, path, req, best)
local elements, starts, found = self.elements, self.starts
%s
%s
return best
end]]):format(steps(ELEMENTS, self.element_lengths, "self.element_lengths"),
    steps(STARTS, self.start_lengths, "self.start_lengths"))
  makers[code] = makers[code] or assert(load(code, "=router:prefixes", "t"))(byte, sub, find, SLASH)
  return makers[code]
end

--- The route of the request among those of this host pattern, or nil.
function paths.find(self, req)
  if self.only then return self.only end
  local best
  if self.by_path then
    local path = req.path
    local found = self.exact[path]
    if found then best = find(found, req, nil) end
    best = self.find_prefix(self, path, req, best)
  end
  if self.always then best = find(self.always, req, best) end
  return best and best.route
end

local function add(self, kind, key, candidate)
  local map = self[kind]
  if not map then
    map = {}
    self[kind] = map
  end
  local list = map[key]
  if list then list[#list + 1] = candidate else map[key] = { candidate } end
end

local function buckets_of(map)
  local buckets, seen, lengths = {}, {}, {}
  for key, candidates in pairs(map or NONE) do
    buckets[key] = bucket.new(candidates)
    if not seen[#key] then
      seen[#key] = true
      lengths[#lengths + 1] = #key
    end
    pause.here()
  end
  table.sort(lengths, function(a, b) return a > b end)
  return buckets, lengths
end

--- Gathers candidates: builder:add(route, match), then builder:build().
local builder = {}
builder.__index = builder

--- A builder without candidates; what build() returns is what paths.find() reads.
function paths.builder()
  return setmetatable({ exact = false, elements = false, starts = false, always = false }, builder)
end

--- Adds one match of a route.
function builder:add(route, match)
  local candidate = bucket.candidate(route, match)
  local path = match.path or {}
  if path.ignore_case then path = {} end -- the candidate asks itself, as for a regular expression
  -- "/abc/" takes what "/abc" takes, and "/" takes everything.
  local elements = path.prefix
  if elements and byte(elements, -1) == SLASH then elements = elements:gsub("/+$", "") end
  local start = path.starts_with ~= "/" and path.starts_with
  if path.exact then
    add(self, "exact", path.exact, candidate)
  elseif elements and elements ~= "" then
    add(self, "elements", elements, candidate)
  elseif start and start ~= "" then
    add(self, "starts", start, candidate)
  else
    self.always = self.always or {}
    table.insert(self.always, candidate)
  end
end

--- What paths.find() reads: by_path, always, only (false: none); and, where it goes by path, the tables exact, elements
-- and starts by path (their lengths longest first) and the function that looks for prefixes.
function builder:build()
  local always = self.always and bucket.new(self.always)
  -- Among thousands of hosts most have routes that ask for no path: they are spared the tables for it.
  if not self.exact and not self.elements and not self.starts then
    return { by_path = false, always = always, only = always and always.route or false }
  end
  local made = { by_path = true, always = always, only = false, exact = buckets_of(self.exact) }
  made.elements, made.element_lengths = buckets_of(self.elements)
  made.starts, made.start_lengths = buckets_of(self.starts)
  made.find_prefix = prefix_finder(made)
  return made
end

return paths
