--- order: which match is tried first. Every match gets a `rank`, unique in the model, lower first.
-- By specificity, as HTTPRoute has it (GEP-718 and the field `matches`): an exact path, then the longer
-- prefix, then the longer regular expression (it still goes before "/", which takes every path), then a method, then
-- more headers, then more query parameters, then the one written first. The authority, the scheme, the
-- principal and claims count as headers.
local order = {}

local EXACT = 1e6 -- longer than any path

local function weigh_path(path)
  if path.exact then return EXACT end
  if path.regex then return 1 + #path.regex / EXACT end
  return #(path.prefix or path.starts_with or "/") -- no path: any, as the prefix "/" says
end

local function weigh(match)
  return {
    weigh_path(match.path or {}),
    match.method and 1 or 0,
    #(match.headers or {}) + (match.authority and 1 or 0) + (match.scheme and 1 or 0)
      + (match.principal and 1 or 0) + #(match.claims or {}),
    #(match.query or {}),
  }
end

local function more_specific(a, b)
  local x, y = a.weights, b.weights
  if x[1] ~= y[1] then return x[1] > y[1] end
  if x[2] ~= y[2] then return x[2] > y[2] end
  if x[3] ~= y[3] then return x[3] > y[3] end
  if x[4] ~= y[4] then return x[4] > y[4] end
  return a.written < b.written
end

local function rank_as_written(routes)
  local rank = 0
  for _, route in ipairs(routes) do
    for _, match in ipairs(route.matches) do
      rank = rank + 1
      match.rank = rank
    end
  end
  return routes
end

local function rank_by_specificity(routes)
  local all = {}
  for _, route in ipairs(routes) do
    for _, match in ipairs(route.matches) do
      all[#all + 1] = { route = route, match = match, weights = weigh(match), written = #all }
    end
  end
  table.sort(all, more_specific)
  local sorted, seen = {}, {}
  for rank, entry in ipairs(all) do
    entry.match.rank = rank
    if not seen[entry.route] then
      seen[entry.route] = true
      sorted[#sorted + 1] = entry.route
    end
  end
  return sorted
end

--- Ranks the matches of all routes; a route without any gets one that always holds.
-- @param routes array of the model's routes, each of which is there once; by_specificity false: in the order written
-- @return the routes in the order of their first match
function order.rank(routes, by_specificity)
  for _, route in ipairs(routes) do
    if not route.matches or #route.matches == 0 then route.matches = { {} } end
  end
  return (by_specificity and rank_by_specificity or rank_as_written)(routes)
end

return order
