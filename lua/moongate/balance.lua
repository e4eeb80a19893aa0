--- balance: chooses an endpoint of a service, and a backend among weighted ones.
local consistent = require "moongate.balance.consistent"
local hash = require "moongate.hash"
local split = require "moongate.balance.split"

local balance = {}

local REPICKS = 5 -- as Envoy's host_selection_retry_max_attempts in Istio's default

local floor = math.floor

local function system_random()
  return require("moongate.random").number
end

-- ---- drawing by weight --------------------------------------------------------------------

-- Whether all weights are equal, and the running sums of them.
local function sums_of(items)
  local equal, sums, sum = true, {}, 0
  for i, item in ipairs(items) do
    if item.weight ~= items[1].weight then equal = false end
    sum = sum + item.weight
    sums[i] = sum
  end
  return equal, sums
end

-- The index of the item that a number in [0, 1) stands for.
local function draw(sums, number)
  local point = number * sums[#sums]
  local low, high = 1, #sums
  while low < high do
    local middle = floor((low + high) / 2)
    if sums[middle] > point then high = middle else low = middle + 1 end
  end
  return low
end

--- The weighted choice among backends, as in moongate.balance.split.
-- @param random function that gives a number in [0, 1); absent: moongate.random's
function balance.split(backends, random)
  return split.new(backends, random or system_random())
end

-- ---- kinds: each gives function(self, ctx) that chooses among self.endpoints ----------------

local kinds = {}

local function choose_in_turn(self)
  local i = self.turn % #self.endpoints + 1
  self.turn = i
  return self.endpoints[i]
end

-- The smooth weighted turns of nginx: each gains its weight, the richest is chosen and pays the sum.
local function choose_smoothly(self)
  local endpoints, gained, best = self.endpoints, self.gained, 1
  for i = 1, #endpoints do
    gained[i] = gained[i] + endpoints[i].weight
    if gained[i] > gained[best] then best = i end
  end
  gained[best] = gained[best] - self.sum
  return endpoints[best]
end

-- A worker starts anywhere: else, with many workers, the first endpoints would get more.
function kinds.round_robin(self)
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

function kinds.random()
  return choose_randomly
end

-- Two random choices, the less busy for its weight; a tie goes to the first, which keeps shares at rest.
local function choose_less_busy(self)
  local endpoints = self.endpoints
  local i, j = draw_index(self), draw_index(self)
  if i == j then j = j % #endpoints + 1 end
  local a, b = endpoints[i], endpoints[j]
  return self.active(b) / b.weight < self.active(a) / a.weight and b or a
end

function kinds.least_request(self)
  return #self.endpoints > 1 and choose_less_busy or choose_in_turn
end

local function key_reader(conf)
  if conf.header then
    local name = conf.header
    return function(ctx) return ctx.req.headers:get(name) end
  elseif conf.cookie then
    local name = conf.cookie
    return function(ctx) return ctx.req:cookie(name) end
  end
  return function(ctx) return ctx.client_address end
end

local function choose_by_key(self, ctx)
  local key = self.key(ctx)
  if not key then return choose_randomly(self) end
  return self.look_up(hash.u32(key))
end

function kinds.consistent_hash(self, conf)
  self.key = key_reader(conf)
  self.look_up = consistent[conf.algorithm or "ring"](self.endpoints, hash.u32)
  self.keeps = true
  return choose_by_key
end

-- ---- pickers ------------------------------------------------------------------------------

local picker = {}
picker.__index = picker

--- An endpoint for the request, or nil when there is none.
-- @param tried set of endpoints (by table) to avoid if possible, or nil
function picker:pick(ctx, tried)
  local choose = self.choose
  if not choose then return nil end
  local endpoint = choose(self, ctx)
  if tried and not self.keeps then
    for _ = 1, REPICKS do
      if not tried[endpoint] then break end
      endpoint = choose(self, ctx)
    end
  end
  return endpoint
end

-- Endpoints of weight 0 get nothing: they are being drained.
local function weighty(endpoints)
  local list = {}
  for _, endpoint in ipairs(endpoints) do
    if endpoint.weight > 0 then list[#list + 1] = endpoint end
  end
  return list
end

local function new_picker(endpoints, conf, options)
  local self = setmetatable({}, picker)
  self.endpoints = weighty(endpoints)
  if #self.endpoints == 0 then return self end
  self.equal, self.sums = sums_of(self.endpoints)
  self.random, self.active = options.random, options.active
  self.turn = 0
  self.choose = kinds[conf.kind](self, conf)
  return self
end

local function has_labels(endpoint, labels)
  for name, value in pairs(labels) do
    if endpoint.labels[name] ~= value then return false end
  end
  return true
end

local function select(endpoints, labels)
  local list = {}
  for _, endpoint in ipairs(endpoints) do
    if has_labels(endpoint, labels) then list[#list + 1] = endpoint end
  end
  return list
end

local pickers = {}
pickers.__index = pickers

--- The picker of a subset (nil: of the whole service), or nil when there is no such subset.
function pickers:picker(subset)
  if subset == nil then return self.all end
  return self.subsets[subset]
end

--- Pickers for a service of the model and for each of its subsets.
-- @param options { active = function(endpoint) giving its requests in progress, random = as for split() }
function balance.new(service, options)
  local conf = service.balance
  local given = { active = options.active, random = options.random or system_random() }
  local self = setmetatable({ all = new_picker(service.endpoints, conf, given), subsets = {} }, pickers)
  for name, labels in pairs(service.subsets) do
    self.subsets[name] = new_picker(select(service.endpoints, labels), conf, given)
  end
  return self
end

return balance
