--- matcher: the pattern matching of Lua in Lua, for patterns that the C matcher might not come back from: this one
-- can be stopped.
local pattern = require "moongate.sandbox.pattern"

local byte, sub = string.byte, string.sub

local matcher = {}

local MOST_CAPTURES = 32
local POSITION, OPEN = -2, -1 -- lengths of captures that are none (yet)

local match

local step = {}

function step.single(m, i, at)
  local item, text = m.items[i], m.text
  local set, suffix = item.set, item.suffix
  if not suffix then
    if set[byte(text, at)] then return match(m, i + 1, at + 1) end
  elseif suffix == "?" then
    return set[byte(text, at)] and match(m, i + 1, at + 1) or match(m, i + 1, at)
  elseif suffix == "-" then
    while true do
      local last = match(m, i + 1, at)
      if last then return last end
      if not set[byte(text, at)] then return nil end
      at = at + 1
    end
  else
    local most = at
    while set[byte(text, most)] do most = most + 1 end
    for from = most, suffix == "+" and at + 1 or at, -1 do
      local last = match(m, i + 1, from)
      if last then return last end
    end
  end
end

function step.finish(m, i, at)
  if at == #m.text + 1 then return match(m, i + 1, at) end
end

function step.balance(m, i, at)
  local item, text, depth = m.items[i], m.text, 1
  if byte(text, at) ~= item.open then return nil end
  for from = at + 1, #text do
    local code = byte(text, from)
    if code == item.close then
      depth = depth - 1
      if depth == 0 then return match(m, i + 1, from + 1) end
    elseif code == item.open then
      depth = depth + 1
    end
  end
end

function step.frontier(m, i, at)
  local set, text = m.items[i].set, m.text
  local before = at > 1 and byte(text, at - 1) or 0
  if not set[before] and set[byte(text, at) or 0] then return match(m, i + 1, at) end
end

function step.back(m, i, at)
  local index = m.items[i].index
  local from, length = m.from[index], m.length[index]
  if not from or index > m.count or length == OPEN then error("invalid capture index", 0) end
  if length == POSITION then return nil end
  local part = sub(m.text, from, from + length - 1)
  if sub(m.text, at, at + #part - 1) == part then return match(m, i + 1, at + #part) end
end

local function open(m, i, at, length)
  if m.count == MOST_CAPTURES then error("too many captures", 0) end
  m.count = m.count + 1
  local index = m.count
  m.from[index], m.length[index] = at, length
  local last = match(m, i + 1, at)
  if not last then m.count = index - 1 end
  return last
end

function step.open(m, i, at) return open(m, i, at, OPEN) end
function step.position(m, i, at) return open(m, i, at, POSITION) end

function step.close(m, i, at)
  for index = m.count, 1, -1 do
    if m.length[index] == OPEN then
      m.length[index] = at - m.from[index]
      local last = match(m, i + 1, at)
      if not last then m.length[index] = OPEN end
      return last
    end
  end
  error("invalid pattern capture", 0)
end

-- Where a match of the items from `i` on ends that begins at `at`: after its last character; nil: there is none.
function match(m, i, at)
  local item = m.items[i]
  if not item then return at end
  return step[item.kind](m, i, at)
end

local function captures(m, i)
  if i > m.count then return end
  local from, length = m.from[i], m.length[i]
  if length == OPEN then error("unfinished capture", 0) end
  if length == POSITION then return from, captures(m, i + 1) end
  return sub(m.text, from, from + length - 1), captures(m, i + 1)
end

--- As string.find, without `plain`.
-- @param everywhere "^" is no anchor, as in gmatch
-- @return first and last position, and the captures; nil: there is no match
function matcher.find(text, given, init, everywhere)
  local anchored = not everywhere and sub(given, 1, 1) == "^"
  local m = { text = text, items = pattern.read(given, anchored and 2 or 1), from = {}, length = {}, count = 0 }
  for at = init, anchored and init or #text + 1 do
    m.count = 0
    local last = match(m, 1, at)
    if last then return at, last - 1, captures(m, 1) end
  end
end

return matcher
