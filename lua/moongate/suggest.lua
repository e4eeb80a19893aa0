--- suggest: finds the known name that a mistyped one was meant to be.
local suggest = {}

--- Edits (insert, delete, replace, swap two neighbours) between two words; stops caring above `limit`.
local function distance(a, b, limit)
  if math.abs(#a - #b) > limit then return limit + 1 end
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if before and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      row[j] = best
    end
    before, last = last, row
  end
  return last[#b]
end

--- The candidate nearest to `word`, or nil when none is near.
-- @param candidates array of strings; ties go to the alphabetically first
function suggest.nearest(word, candidates)
  word = word:lower()
  local limit = math.max(1, math.floor(#word / 3))
  local found, found_at
  for _, name in ipairs(candidates) do
    local at = distance(word, name:lower(), limit)
    if at > 0 and at <= limit and (not found or at < found_at or at == found_at and name < found) then
      found, found_at = name, at
    end
  end
  return found
end

--- Text to append to a message: "; did you mean 'methods'?", or "".
function suggest.hint(word, candidates)
  local name = suggest.nearest(word, candidates)
  return name and ("; did you mean '%s'?"):format(name) or ""
end

--- The sorted string keys of a table, as candidates.
function suggest.keys(map)
  local names = {}
  for name in pairs(map) do
    if type(name) == "string" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

return suggest
