--- bucket: the candidates that a request's path leaves, tried in the order of their ranks.
-- A candidate is one match of one route: { rank =, route =, method =, headers =, query = } (false: no condition).
-- Many candidates that ask one header for different exact values are found by that value, not one after another.
local bucket = {}

local FEW = 8 -- candidates that are quicker tried than indexed

local EXACT, PREFIX, SUFFIX, PRESENT = 1, 2, 3, 4

local function compile_rules(rules)
  if not rules or #rules == 0 then return false end
  local list = {}
  for i, rule in ipairs(rules) do
    local kind = rule.exact and EXACT or rule.prefix and PREFIX or rule.suffix and SUFFIX or PRESENT
    local text = rule.exact or rule.prefix or rule.suffix or ""
    list[i] = { name = rule.name, kind = kind, text = text, invert = rule.invert or false }
  end
  return list
end

--- The candidate for a match of a route in the model.
function bucket.candidate(route, match)
  return {
    rank = match.rank, route = route, method = match.method or false, headers = compile_rules(match.headers),
    query = compile_rules(match.query),
  }
end

-- A missing value satisfies only an inverted rule.
local function holds(rule, value)
  local kind, text, result = rule.kind, rule.text, false
  if value then
    if kind == EXACT then
      result = value == text
    elseif kind == PREFIX then
      result = value:sub(1, #text) == text
    elseif kind == SUFFIX then
      result = #value >= #text and value:sub(#value - #text + 1) == text
    else
      result = true
    end
  end
  return result ~= rule.invert
end

local function headers_hold(rules, headers)
  for i = 1, #rules do
    if not holds(rules[i], headers:get(rules[i].name)) then return false end
  end
  return true
end

local function query_holds(rules, req)
  for i = 1, #rules do
    if not holds(rules[i], req:param(rules[i].name)) then return false end
  end
  return true
end

local function scan(list, req, best)
  local limit = best and best.rank or math.huge
  for i = 1, #list do
    local candidate = list[i]
    if candidate.rank >= limit then return best end
    if (not candidate.method or candidate.method == req.method)
      and (not candidate.headers or headers_hold(candidate.headers, req.headers))
      and (not candidate.query or query_holds(candidate.query, req)) then
      return candidate
    end
  end
  return best
end

--- The candidate of the lowest rank that holds, or `best` when none of a lower rank does.
function bucket.find(self, req, best)
  if best and best.rank < self.first then return best end
  local keyed = self.keyed
  for i = 1, #keyed do
    local value = req.headers:get(keyed[i].name)
    local list = value and keyed[i].values[value]
    if list then best = scan(list, req, best) end
  end
  return scan(self.plain, req, best)
end

local function key_of(candidate)
  for _, rule in ipairs(candidate.headers or {}) do
    if rule.kind == EXACT and not rule.invert then return rule end
  end
end

local function index(self, candidate, rule, by_name)
  local key = by_name[rule.name]
  if not key then
    key = { name = rule.name, values = {} }
    by_name[rule.name] = key
    self.keyed[#self.keyed + 1] = key
  end
  local list = key.values[rule.text] or {}
  key.values[rule.text] = list
  list[#list + 1] = candidate
end

--- Makes a bucket of candidates.
function bucket.new(candidates)
  table.sort(candidates, function(a, b) return a.rank < b.rank end)
  local self, by_name = { first = candidates[1].rank, plain = {}, keyed = {} }, {}
  for _, candidate in ipairs(candidates) do
    local rule = #candidates > FEW and key_of(candidate)
    if rule then
      index(self, candidate, rule, by_name)
    else
      self.plain[#self.plain + 1] = candidate
    end
  end
  return self
end

return bucket
