--- split: the weighted choice among backends, with exact shares.
--
-- A deck holds every backend as often as its weight says and is drawn without putting back, in random order; when it
-- is empty it begins anew, in another order.  So the shares are exact after each deck and never far off, two workers
-- are not in step, and what looks at some of the requests only (every second one, say, as when two kinds alternate)
-- sees the same shares: any place in a deck may hold any card.  Turns that go round (smooth weights, golden ratio
-- steps) are as exact, but beat against traffic with a rhythm; independent draws have no rhythm, but drift.
local floor = math.floor

local split = {}

local DECK = 1000 -- cards at most

local function divisor_of(backends)
  local common = 0
  for _, backend in ipairs(backends) do
    local a, b = common, backend.weight
    while b > 0 do a, b = b, a % b end
    common = a
  end
  return common
end

-- ---- a deck that is always the same ---------------------------------------------------------

local fixed = {}
fixed.__index = fixed

--- The index of a backend: one step of a Fisher-Yates shuffle, without a branch that a trace would leave.
function fixed:pick()
  local deck, at, count = self.deck, self.at, self.count
  local from = at + floor(self.random() * (count - at)) + 1
  local card = deck[from]
  deck[from] = deck[at + 1]
  deck[at + 1] = card
  self.at = (at + 1) % count
  return card
end

-- ---- weights too fine for one deck -----------------------------------------------------------

local dealt = {}
dealt.__index = dealt

-- Each backend gains its share of DECK cards and gets as many as are whole; the rest counts for the next deck, so that
-- no backend is ever a whole card behind.  Whole numbers, so that nothing is lost in rounding.
local function deal(self)
  local backends, gained, sum, deck, count = self.backends, self.gained, self.sum, self.deck, 0
  for i = 1, #backends do
    gained[i] = gained[i] + backends[i].weight * DECK
    local cards = floor(gained[i] / sum)
    gained[i] = gained[i] - cards * sum
    for k = count + 1, count + cards do deck[k] = i end
    count = count + cards
  end
  return count
end

function dealt:pick()
  local deck, left = self.deck, self.left
  while left == 0 do left = deal(self) end
  local from = floor(self.random() * left) + 1
  local card = deck[from]
  deck[from] = deck[left]
  self.left = left - 1
  return card
end

local single = { pick = function() return 1 end }

--- The weighted choice among backends: an object whose pick() gives an index.
-- @param backends array with weight, whole numbers of which one is not 0; one of weight 0 is never picked (unless it
-- is the only one)
-- @param random function that gives a number in [0, 1)
function split.new(backends, random)
  if #backends == 1 then return single end
  local sum, common = 0, divisor_of(backends)
  for _, backend in ipairs(backends) do sum = sum + backend.weight end
  if sum / common > DECK then
    local gained = {}
    for i = 1, #backends do gained[i] = 0 end
    return setmetatable({ backends = backends, gained = gained, sum = sum, deck = {}, left = 0, random = random },
      dealt)
  end
  local deck = {}
  for i, backend in ipairs(backends) do
    for _ = 1, backend.weight / common do deck[#deck + 1] = i end
  end
  return setmetatable({ deck = deck, count = #deck, at = 0, random = random }, fixed)
end

return split
