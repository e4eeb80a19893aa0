--- explain: which routes came into question for a request, and why each of them lost.
-- Nothing is judged here: every question is put to a router made of the one match in question, with one condition after
-- the other, so what is said follows what moongate.router does, whatever conditions it knows.
local claims = require "moongate.claims"
local router = require "moongate.router"

local explain = {}

-- What a match may hold; anything else is told as it stands.
local KNOWN = { path = true, method = true, headers = true, query = true, rank = true, scheme = true, authority = true,
  principal = true, claims = true }
local KINDS = { exact = "exactly", prefix = "prefix", starts_with = "start", suffix = "end", regex = "regex" }

-- Does a router of only this match take the request?
local function takes(listener, route, host, match, req)
  local only = { listeners = route.listeners, section = route.section, hosts = { host }, matches = { match } }
  return router.new({ listeners = { listener }, routes = { only } }):match(0, req) ~= nil
end

-- `exactly "/a"`, of { exact = "/a" }; any other fields follow as they are.
local function wanted(rule)
  if type(rule) ~= "table" then return ("%q"):format(tostring(rule)) end
  local parts = {}
  for kind, value in pairs(rule) do
    if KINDS[kind] then
      table.insert(parts, 1, ("%s %q"):format(KINDS[kind], value))
    elseif kind == "present" then
      table.insert(parts, 1, "any value")
    elseif kind ~= "name" and value == true then
      parts[#parts + 1] = kind == "invert" and "inverted" or kind
    end
  end
  return table.concat(parts, ", ")
end

local function found(value)
  return value == nil and "none" or ("%q"):format(value)
end

-- A match's conditions in the order in which they are judged: { what =, wanted =, found =, into = function(match) }.
local function conditions(match, req)
  local list = {}
  local function add(what, rule, value, into)
    list[#list + 1] = { what = what, wanted = wanted(rule), found = found(value), into = into }
  end
  if match.path then add("path", match.path, req.path, function(m) m.path = match.path end) end
  if match.method then add("method", match.method, req.method, function(m) m.method = match.method end) end
  for _, side in ipairs { "headers", "query" } do
    for _, rule in ipairs(match[side] or {}) do
      local name = (side == "query" and "query parameter " or "header ") .. rule.name
      local value = side == "query" and req:param(rule.name) or side == "headers" and req.headers:get(rule.name) or nil
      add(name, rule, value, function(m)
        m[side] = m[side] or {}
        table.insert(m[side], rule)
      end)
    end
  end
  for _, name in ipairs { "scheme", "authority", "principal" } do
    if match[name] then add(name, match[name], req[name], function(m) m[name] = match[name] end) end
  end
  for _, rule in ipairs(match.claims or {}) do
    add("claim " .. table.concat(rule.path, "."), rule, claims.texts(req.token, rule.path)[1], function(m)
      m.claims = m.claims or {}
      table.insert(m.claims, rule)
    end)
  end
  for name, rule in pairs(match) do
    if not KNOWN[name] then add(name, rule, nil, function(m) m[name] = rule end) end
  end
  return list
end

--- The first condition of `match` that the request does not meet, as { what =, wanted =, found = }; nil: it meets all.
local function failing(listener, route, host, match, req)
  local so_far = { rank = match.rank }
  for _, condition in ipairs(conditions(match, req)) do
    condition.into(so_far)
    if not takes(listener, route, host, so_far, req) then
      return { what = condition.what, wanted = condition.wanted, found = condition.found }
    end
  end
end

local function hosts_of(route)
  return route.hosts and #route.hosts > 0 and route.hosts or { "*" }
end

local function is_on(route, listener)
  if not route.listeners or #route.listeners == 0 then return true end
  for _, name in ipairs(route.listeners) do
    if name == listener.name then return true end
  end
end

-- The longest of a route's hosts that takes the request's, or nil.
local function host_for(listener, route, req, known)
  local best
  for _, host in ipairs(hosts_of(route)) do
    local key = host .. "\0" .. tostring(route.section)
    if known[key] == nil then known[key] = takes(listener, route, host, { rank = 1 }, req) end
    if known[key] and (not best or #host > #best or not host:find("*", 1, true)) then best = host end
  end
  return best
end

local function candidate(route, index, match, listener, host, req)
  local entry = { route = route.name, at = route.at, match = #route.matches > 1 and index or nil, host = host,
    rank = match.rank }
  if not host then
    entry.lost = { what = "host", wanted = table.concat(hosts_of(route), ", "), found = ("%q"):format(req.host) }
  else
    entry.lost = failing(listener, route, host, match, req)
  end
  return entry
end

-- The matches of the routes on a listener, those whose host fits first: { route, index, host or nil }.
local function all_of(listener, routes, req)
  local fitting, others, known = {}, {}, {}
  for _, route in ipairs(routes) do
    local host = is_on(route, listener) and host_for(listener, route, req, known)
    for i in ipairs(is_on(route, listener) and route.matches or {}) do
      table.insert(host and fitting or others, { route, i, host or nil })
    end
  end
  for _, item in ipairs(others) do fitting[#fitting + 1] = item end
  return fitting
end

local function by_rank(a, b)
  if (a.host == nil) ~= (b.host == nil) then return b.host == nil end
  return a.rank < b.rank
end

--- The matches of the routes of a listener in the order of ranks, those for other hosts last.
-- @param req as for router:match()
-- @param winner the route that took the request (one of `routes`), or nil
-- @param most at most so many are described
-- @return array of { route = name, at =, match = number or nil, host = pattern that takes the host, rank =, and won =
--   true or lost = { what =, wanted =, found = } or after = true: it fits, but another is tried before }; how many more
function explain.candidates(listener, routes, req, winner, most)
  local all, list, won = all_of(listener, routes, req), {}, nil
  for i, item in ipairs(all) do
    if i <= most or item[1] == winner then
      local entry = candidate(item[1], item[2], item[1].matches[item[2]], listener, item[3], req)
      list[#list + 1] = entry
      if item[1] == winner and not entry.lost and (not won or entry.rank < won.rank) then won = entry end
      entry.after = not entry.lost or nil
    end
  end
  if won then won.won, won.after = true, nil end
  table.sort(list, by_rank)
  return list, #all - #list
end

return explain
