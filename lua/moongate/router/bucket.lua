--- bucket: the candidates that a request's path leaves, tried in the order of their ranks.
-- A candidate is one match of one route: { rank =, route =, method =, headers =, query =, others = } (false: no
-- condition).
-- Many candidates that ask one header for different exact values are found by that value, not one after another.
-- A bucket of one candidate without conditions stands for it: among thousands of routes each table more that a request
-- looks at is a cache miss.
local rules = require "moongate.router.rules"

local bucket = {}

local NONE = {}
local OTHERS = { "method", "scheme", "authority", "principal" } -- parts of a match that may be rules
local FEW = 8 -- candidates that are quicker tried than indexed

local EXACT = rules.EXACT
local hold = rules.hold

local function compile_rules(list)
  if not list or #list == 0 then return false end
  local made = {}
  for i, rule in ipairs(list) do made[i] = rules.new(rule) end
  return made
end

-- `list` (false: none yet) with one more.
local function with(list, rule, name)
  list = list or {}
  rule.name = name or rule.name
  list[#list + 1] = rule
  return list
end

-- What few routes ask about: rules of fields of the request, by the name of the field.
local function compile_others(match)
  local path, list = match.path, false
  if path and (path.regex or path.ignore_case) then list = with(list, rules.path(path)) end
  for i = 1, #OTHERS do
    local rule = match[OTHERS[i]]
    if type(rule) == "table" then list = with(list, rules.new(rule), OTHERS[i]) end
  end
  for _, rule in ipairs(match.claims or NONE) do list = with(list, rules.claim(rule)) end
  return list
end

--- The candidate for a match of a route in the model.
function bucket.candidate(route, match)
  return {
    rank = match.rank, route = route, method = type(match.method) == "string" and match.method,
    headers = compile_rules(match.headers), query = compile_rules(match.query), others = compile_others(match),
  }
end

local function headers_hold(list, headers)
  for i = 1, #list do
    if not hold(list[i], headers:get(list[i].name)) then return false end
  end
  return true
end

local function query_holds(list, req)
  for i = 1, #list do
    if not hold(list[i], req:param(list[i].name)) then return false end
  end
  return true
end

local function others_hold(list, req)
  for i = 1, #list do
    local rule = list[i]
    local holds = rule.claim and rules.claim_holds or hold
    if not holds(rule, req[rule.name]) then return false end
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
      and (not candidate.query or query_holds(candidate.query, req))
      and (not candidate.others or others_hold(candidate.others, req)) then
      return candidate
    end
  end
  return best
end

--- The candidate of the lowest rank that holds, or `best` when none of a lower rank does.
function bucket.find(self, req, best)
  if best and best.rank < self.rank then return best end
  if self.route then return self end
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

local function is_plain(candidate)
  return not candidate.method and not candidate.headers and not candidate.query and not candidate.others
end

local function by_rank(a, b) return a.rank < b.rank end

--- Makes a bucket of candidates: its `rank` is their lowest; `route` is that of the only one, where that has no
-- conditions.
function bucket.new(candidates)
  if #candidates > 1 then table.sort(candidates, by_rank) end
  local first = candidates[1]
  if #candidates == 1 and is_plain(first) then return { rank = first.rank, route = first.route } end
  local self, by_name = { rank = first.rank, plain = {}, keyed = {} }, {}
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
