--- groups: sorts alternatives of rules by the attributes for which they name exact values.
local attributes = require "policies.rbac.attributes"
local pause = require "moongate.pause"
local groups = {}

local MOST_ENTRIES = 4096 -- table entries one alternative may take

-- Counts those of `keys` that this header has not had yet.
local function count(seen, counts, name, keys)
  seen[name], counts[name] = seen[name] or {}, counts[name] or 0
  local own = seen[name]
  for i = 1, #keys do
    if not own[keys[i]] then
      own[keys[i]] = true
      counts[name] = counts[name] + 1
    end
  end
end

-- How many different keys each header has, over all alternatives: the header with most becomes the key.
local function header_counts(entries)
  local seen, counts = {}, {}
  for _, entry in ipairs(entries) do
    for _, test in ipairs(entry.tests) do
      if test.name and test.keys then count(seen, counts, test.name, test.keys) end
    end
    pause.here()
  end
  return counts
end

local function best_header(tests, counts)
  local best
  for _, test in ipairs(tests) do
    if test.name and test.keys and not test.negate and (not best or counts[test.name] > counts[best.name]) then
      best = test
    end
  end
  return best
end

local function by_keys(a, b) return (a.keys and #a.keys or 0) > (b.keys and #b.keys or 0) end
local function by_attribute(a, b) return attributes.order[a.attr] < attributes.order[b.attr] end

-- Splits tests into keys (each attribute once, few enough entries) and residue.
local function split(tests, counts)
  local header, candidates, keys, rest, taken, entries = best_header(tests, counts), {}, {}, {}, {}, 1
  for i, test in ipairs(tests) do candidates[i] = test end
  if #candidates > 1 then table.sort(candidates, by_keys) end
  for _, test in ipairs(candidates) do
    local usable = test.keys and not test.negate and not taken[test.attr] and (not test.name or test == header)
    if usable and (entries == 1 or entries * #test.keys <= MOST_ENTRIES) then
      keys[#keys + 1], entries, taken[test.attr] = test, entries * #test.keys, true
    else
      rest[#rest + 1] = test
    end
  end
  if #keys > 1 then table.sort(keys, by_attribute) end
  return keys, rest
end

local function signature(keys, rest)
  local parts = { #rest > 0 and "rest" or "plain" }
  for _, test in ipairs(keys) do parts[#parts + 1] = test.attr .. ":" .. (test.name or "") .. ":" .. test.cut end
  return table.concat(parts, "|")
end

-- Puts `entry` under every combination of its keys' values.
local function insert(group, node, depth, entry)
  for _, value in ipairs(entry.keys[depth].keys) do
    if depth == #group.keys then
      node[value] = group.leaf(node[value], entry)
    else
      node[value] = node[value] or {}
      insert(group, node[value], depth + 1, entry)
    end
  end
end

local function plain_leaf(old, entry) return math.min(old or entry.rank, entry.rank) end

local function residual_leaf(old, entry)
  local list = old or {}
  list[#list + 1] = entry
  return list
end

--- The groups of `entries` ({ tests =, rank = }): { keys = tests, plain = no residue, root = nested tables }.
-- A leaf is the least rank in a plain group, else the array of its entries, each with its `rest`.
function groups.of(entries)
  local counts, list, by_signature = header_counts(entries), {}, {}
  for _, entry in ipairs(entries) do
    entry.keys, entry.rest = split(entry.tests, counts)
    local id = signature(entry.keys, entry.rest)
    local group = by_signature[id]
    if not group then
      group = { keys = entry.keys, plain = #entry.rest == 0, leaf = #entry.rest == 0 and plain_leaf or residual_leaf }
      by_signature[id], list[#list + 1] = group, group
    end
    if #entry.keys == 0 then
      group.root = group.leaf(group.root, entry)
    else
      group.root = group.root or {}
      insert(group, group.root, 1, entry)
    end
    pause.here()
  end
  return list
end

return groups
