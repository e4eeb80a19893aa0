--- pattern: reads a pattern of string.find into its items, and says how long a text it may be given to.
-- The C matcher tries again and again where an item and what follows it take the same characters ("(.-).-x"): the
-- steps are a power of the text's length, and nothing can stop it meanwhile.
local pattern = {}

local byte, find, sub = string.byte, string.find, string.sub

local STEPS = 2e7 -- of the C matcher in one call: some 30 ms
local KNOWN = 1000 -- patterns that are remembered
local SET = 8 -- bytes of a class that the C matcher goes through in one step

-- ---- sets of characters -------------------------------------------------------------------

local sets, set_count = {}, 0

-- { [byte] = true } of a single-character class such as "a", "%w", "[^,]" or ".".
local function set_of(class)
  if sets[class] then return sets[class] end
  if set_count >= KNOWN then sets, set_count = {}, 0 end
  local set = {}
  for code = 0, 255 do
    local char = string.char(code)
    if class == "." or #class == 1 and char == class or #class > 1 and find(char, class) then set[code] = true end
  end
  sets[class], set_count = set, set_count + 1
  return set
end

-- ---- reading ------------------------------------------------------------------------------

-- Where the class that begins at `at` ends; nil: it is malformed, which string.find says better.
local function class_end(text, at)
  local char = sub(text, at, at)
  if char == "%" then return at < #text and at + 1 or nil end
  if char ~= "[" then return at end
  local from = sub(text, at + 1, at + 1) == "^" and at + 2 or at + 1
  local first = true
  while from <= #text do
    char = sub(text, from, from)
    if char == "]" and not first then return from end
    from, first = char == "%" and from + 2 or from + 1, false
  end
end

local function read_escape(text, at)
  local next_char = sub(text, at + 1, at + 1)
  if next_char == "b" then
    if at + 3 > #text then return nil end
    return { kind = "balance", open = byte(text, at + 2), close = byte(text, at + 3), set = set_of(sub(text, at + 2,
      at + 2)) }, at + 4
  elseif next_char == "f" then
    local last = sub(text, at + 2, at + 2) == "[" and class_end(text, at + 2)
    if not last then return nil end
    local class = sub(text, at + 2, last)
    return { kind = "frontier", set = set_of(class), size = #class }, last + 1
  elseif find(next_char, "%d") then
    return { kind = "back", index = tonumber(next_char) }, at + 2
  end
end

local function read_class(text, at)
  local last = class_end(text, at)
  if not last then return nil end
  local class, suffix = sub(text, at, last), sub(text, last + 1, last + 1)
  if suffix == "" or not find("*+-?", suffix, 1, true) then suffix = nil end
  return { kind = "single", set = set_of(class), size = #class, suffix = suffix }, last + (suffix and 2 or 1)
end

local function read_item(text, at)
  local char = sub(text, at, at)
  if char == "(" then
    if sub(text, at + 1, at + 1) == ")" then return { kind = "position" }, at + 2 end
    return { kind = "open" }, at + 1
  elseif char == ")" then
    return { kind = "close" }, at + 1
  elseif char == "$" and at == #text then
    return { kind = "finish" }, at + 1
  elseif char == "%" then
    local item, after = read_escape(text, at)
    if item or find(sub(text, at + 1, at + 1), "[bf%d]") then return item, after end
  end
  return read_class(text, at)
end

--- The items of a pattern, from `at` on; nil when it is malformed.
function pattern.read(text, at)
  local items = {}
  while at <= #text do
    local item, after = read_item(text, at)
    if not item then return nil end
    items[#items + 1], at = item, after
  end
  return items
end

-- ---- how much work ------------------------------------------------------------------------

local function overlap(a, b)
  for code in pairs(a) do
    if b[code] then return true end
  end
  return false
end

local ZERO_WIDTH = { position = true, open = true, close = true }

local function may_be_empty(item)
  return ZERO_WIDTH[item.kind] or item.suffix and item.suffix ~= "+"
end

-- Whether the item takes every text: ".*", ".-".
local function is_any(item)
  if not item.suffix or item.suffix == "?" then return false end
  for code = 0, 255 do
    if not item.set[code] then return false end
  end
  return true
end

-- The item from which on every text matches (".*" or ".-", and then nothing that must be there); nil: there is none.
local function sure_from(items)
  local sure
  for i = #items, 1, -1 do
    local item = items[i]
    if not may_be_empty(item) and item.kind ~= "finish" then return sure end
    if is_any(item) then sure = i end
  end
  return sure
end

-- Whether what follows item `i` could take a character that the item takes, so that the matcher tries again.
local function tries_again(items, i, sure)
  local j = i + 1
  while sure and j < sure and may_be_empty(items[j]) do j = j + 1 end
  if sure and j >= sure and i < sure then return false end
  for k = i + 1, #items do
    local item = items[k]
    if item.kind == "finish" then return false end
    if item.kind == "back" or item.kind == "frontier" then return true end
    if not ZERO_WIDTH[item.kind] then
      if overlap(items[i].set, item.set) then return true end
      if not may_be_empty(item) then return false end
    end
  end
  return false -- the rest may be empty, so the first try is good
end

-- The longest text that takes at most STEPS, from every position or from the first alone.
local function longest(items, anchored)
  local power, runs, branches, weight = anchored and 0 or 1, 0, 0, 1
  local sure = sure_from(items)
  for i, item in ipairs(items) do
    weight = weight + math.max(1, math.floor((item.size or 1) / SET))
    if item.kind == "balance" or item.kind == "back" then runs = 1 end
    if item.suffix then
      local again = tries_again(items, i, sure)
      if item.suffix == "?" then
        branches = branches + (again and 1 or 0)
      elseif again then
        power = power + 1
      else
        runs = 1
      end
    end
  end
  power = power + runs
  local steps = STEPS / weight / 2 ^ branches
  if power == 0 then return steps >= 1 and math.huge or 0 end
  return steps ^ (1 / power)
end

local from_start, from_anywhere, count = {}, {}, 0

local function learn(text)
  if count >= KNOWN then from_start, from_anywhere, count = {}, {}, 0 end
  local anchored = sub(text, 1, 1) == "^"
  local items = pattern.read(text, anchored and 2 or 1)
  local started = not items and math.huge or longest(items, anchored)
  items = pattern.read(text, 1)
  from_anywhere[text] = not items and math.huge or longest(items, false)
  from_start[text], count = started, count + 1 -- last: a policy that is ended in here leaves nothing half known
end

--- The longest text that the C matcher may be given with this pattern.
-- @param everywhere "^" is no anchor, as in gmatch
function pattern.longest(text, everywhere)
  if not from_start[text] then learn(text) end
  return (everywhere and from_anywhere or from_start)[text]
end

return pattern
