--- kinds: how one of several endpoints is chosen; each kind makes a function(self, ctx) over what kinds.fill() sets.
local consistent = require "moongate.balance.consistent"
local hash = require "moongate.hash"

local kinds = {}
local make = {}

local floor = math.floor

-- Whether all weights are equal, and the running sums of them.
local function sums_of(weights)
  local equal, sums, sum = true, {}, 0
  for i, weight in ipairs(weights) do
    if weight ~= weights[1] then equal = false end
    sum = sum + weight
    sums[i] = sum
  end
  return equal, sums
end

--- The index of the item that a number in [0, 1) stands for.
-- @param sums running sums of the weights
function kinds.draw(sums, number)
  local point = number * sums[#sums]
  local low, high = 1, #sums
  while low < high do
    local middle = floor((low + high) / 2)
    if sums[middle] > point then high = middle else low = middle + 1 end
  end
  return low
end

local draw = kinds.draw

local function choose_in_turn(self)
  local i = self.turn % #self.endpoints + 1
  self.turn = i
  return self.endpoints[i]
end

-- The smooth weighted turns of nginx: each gains its weight, the richest is chosen and pays the sum.
local function choose_smoothly(self)
  local endpoints, weights, gained, best = self.endpoints, self.weights, self.gained, 1
  for i = 1, #endpoints do
    gained[i] = gained[i] + weights[i]
    if gained[i] > gained[best] then best = i end
  end
  gained[best] = gained[best] - self.sum
  return endpoints[best]
end

-- A worker starts anywhere: else, with many workers, the first endpoints would get more.
function make.round_robin(self)
  local count = #self.endpoints
  if self.equal then
    self.turn = floor(self.random() * count)
    return choose_in_turn
  end
  self.gained, self.sum = {}, self.sums[count]
  for i = 1, count do self.gained[i] = 0 end
  return choose_smoothly
end

local function draw_index(self)
  if self.equal then return floor(self.random() * #self.endpoints) + 1 end
  return draw(self.sums, self.random())
end

local function choose_randomly(self)
  return self.endpoints[draw_index(self)]
end

function make.random()
  return choose_randomly
end

-- Two random choices, the less busy for its weight; a tie goes to the first, which keeps shares at rest.
local function choose_less_busy(self)
  local endpoints, weights = self.endpoints, self.weights
  local i, j = draw_index(self), draw_index(self)
  if i == j then j = j % #endpoints + 1 end
  local a, b = endpoints[i], endpoints[j]
  return self.active(b) / weights[j] < self.active(a) / weights[i] and b or a
end

function make.least_request(self)
  return #self.endpoints > 1 and choose_less_busy or choose_in_turn
end

local function choose_by_key(self, ctx)
  local key = self.key(ctx)
  if not key then return choose_randomly(self) end
  return self.look_up(hash.u32(key))
end

function make.consistent_hash(self, conf)
  local algorithm = conf.algorithm or "ring"
  self.look_up = consistent[algorithm](self.endpoints, hash.u32, algorithm == "ring" and conf.ring_size
    or conf.table_size)
  return choose_by_key
end

--- Makes `self` (which has random, active and, for consistent_hash, key) choose by self.choose(self, ctx).
-- @param endpoints array, not empty
-- @param weights of each, above 0
-- @param conf a service's balance
function kinds.fill(self, endpoints, weights, conf)
  self.endpoints, self.weights, self.turn = endpoints, weights, 0
  self.equal, self.sums = sums_of(weights)
  self.choose = make[conf.kind](self, conf)
end

return kinds
