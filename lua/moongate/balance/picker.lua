--- picker: the endpoints of a service (or of a subset) that take requests now, and the choice among them.
--
-- An endpoint that is out (moongate.health) is left out, one that is new gets less at first (warmup), and those of a
-- lower priority get what is too much for the healthy ones of the higher: Envoy's rules of priority levels, panic
-- threshold and slow start.  All that is worked out when something changes, so a choice costs no more for it.
local kinds = require "moongate.balance.kinds"
local keys = require "moongate.balance.key"

local picker = {}
local methods = {}
local mt = { __index = methods }

local REPICKS = 5 -- as Envoy's host_selection_retry_max_attempts in Istio's default
local OVERPROVISIONED = 140 -- percent that the healthy part of a level is trusted to take
local STEPS = 20 -- in which a warm-up's weight grows
local FINE = 100 -- of the weights, so that a tenth of 1 is one

-- ---- who takes requests --------------------------------------------------------------------

local function sooner(a, b)
  if not a or not b then return a or b end
  return math.min(a, b)
end

-- Endpoints that are in, by priority: { priority =, all =, endpoints = } from the most important on; and when the first
-- of the others returns.
local function sort_out(self, now)
  local by_priority, levels, due = {}, {}, nil
  for _, endpoint in ipairs(self.all) do
    local priority = endpoint.priority or 0
    local level = by_priority[priority]
    if not level then
      level = { priority = priority, all = {}, endpoints = {} }
      by_priority[priority], levels[#levels + 1] = level, level
    end
    level.all[#level.all + 1] = endpoint
    local returns = self.health and self.health:out_until(endpoint, now)
    if returns then
      due = sooner(due, returns < math.huge and returns or nil)
    else
      level.endpoints[#level.endpoints + 1] = endpoint
    end
  end
  table.sort(levels, function(a, b) return a.priority < b.priority end)
  return levels, due
end

-- The share of each level, of 100: a level takes what its healthy endpoints are trusted to, the next one the rest.
local function share_out(levels)
  local left, total = 100, 0
  for _, level in ipairs(levels) do
    level.share = math.min(left, math.floor(OVERPROVISIONED * #level.endpoints / #level.all))
    left, total = left - level.share, total + level.share
  end
  return total
end

-- Where the healthy ones of all levels cannot take everything, a level with fewer than `least` percent of them uses
-- all of its endpoints; when each one does, it gets as large a part as it is (Envoy's panic).
local function panic(self, levels, least)
  local calm = false
  for _, level in ipairs(levels) do
    if #level.endpoints * 100 < least * #level.all then level.endpoints = level.all else calm = true end
  end
  if calm then return end
  for _, level in ipairs(levels) do level.share = 100 * #level.all / #self.all end
end

-- ---- weights -------------------------------------------------------------------------------

-- Envoy's slow start: weight * max(least, (time in the pool / window) ^ (1 / aggression)).
local function warmth(endpoint, warmup, now)
  local age = endpoint.since and now - endpoint.since or warmup.duration
  if age >= warmup.duration then return 1 end
  return math.max(warmup.minimum_percent / 100, (age / warmup.duration) ^ (1 / warmup.aggression))
end

-- The weights of endpoints, and when they will be others.
local function weigh(self, endpoints, now)
  local weights, warmup, due = {}, self.conf.warmup, nil
  for i, endpoint in ipairs(endpoints) do
    local factor = warmup and warmth(endpoint, warmup, now) or 1
    if factor < 1 then due = now + math.max(warmup.duration / STEPS, 1) end
    weights[i] = warmup and math.max(1, math.floor(endpoint.weight * factor * FINE + 0.5)) or endpoint.weight
  end
  return weights, due
end

-- ---- choosing ------------------------------------------------------------------------------

local function choose_level(self, ctx)
  local level = self.parts[kinds.draw(self.shares, self.random())]
  return level.choose(level, ctx)
end

local function part_of(self, level, now)
  local part = { random = self.random, active = self.active, key = self.key }
  local weights, due = weigh(self, level.endpoints, now)
  kinds.fill(part, level.endpoints, weights, self.conf)
  return part, due
end

local function fill_levels(self, levels, now)
  local sum, due = 0, nil
  self.parts, self.shares = {}, {}
  for _, level in ipairs(levels) do
    local part, part_due = part_of(self, level, now)
    sum = sum + level.share
    self.parts[#self.parts + 1], self.shares[#self.shares + 1] = part, sum
    due = sooner(due, part_due)
  end
  self.choose, self.endpoints = choose_level, self.all
  return due
end

local function with_share(levels)
  local list = {}
  for _, level in ipairs(levels) do
    if level.share > 0 then list[#list + 1] = level end
  end
  return list
end

-- Works out who takes requests from `now` on, and when that has to be done again.
local function review(self, now)
  local levels, due = sort_out(self, now)
  if share_out(levels) < 100 and self.health then panic(self, levels, self.health.least) end
  self.due, self.choose, self.endpoints = false, nil, {}
  local used = with_share(levels)
  if #used > 0 then
    local warm
    if #used == 1 then
      local weights
      weights, warm = weigh(self, used[1].endpoints, now)
      kinds.fill(self, used[1].endpoints, weights, self.conf)
    else
      warm = fill_levels(self, used, now)
    end
    due = sooner(due, warm)
  end
  self.due = due or false
end

--- An endpoint for the request, or nil when there is none.
-- @param tried set of endpoints (by table) to avoid if possible, or nil
function methods:pick(ctx, tried)
  if self.due then
    local now = self.now()
    if now >= self.due then review(self, now) end
  end
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

--- Who takes requests has changed: worked out before the next choice.
function methods:refresh()
  self.due = 0
end

-- Endpoints of weight 0 get nothing: they are being drained.
local function weighty(endpoints)
  local list = {}
  for _, endpoint in ipairs(endpoints) do
    if endpoint.weight > 0 then list[#list + 1] = endpoint end
  end
  return list
end

--- @param endpoints of the model; @param conf the service's balance
-- @param options { active = function(endpoint), random = function(), now = function giving milliseconds, health = of
-- moongate.health or nil }
function picker.new(endpoints, conf, options)
  local self = setmetatable({ all = weighty(endpoints), conf = conf, random = options.random, active = options.active,
    now = options.now, health = options.health, keeps = conf.kind == "consistent_hash", due = false }, mt)
  if self.keeps then self.key, self.made = keys.reader(conf) end
  review(self, options.now and options.now() or 0)
  return self
end

return picker
