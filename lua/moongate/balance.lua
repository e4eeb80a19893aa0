--- balance: chooses an endpoint of a service, and a backend among weighted ones.
local picker = require "moongate.balance.picker"
local split = require "moongate.balance.split"

local balance = {}

local function system_random()
  return require("moongate.random").number
end

--- The weighted choice among backends, as in moongate.balance.split.
-- @param random function that gives a number in [0, 1); absent: moongate.random's
function balance.split(backends, random)
  return split.new(backends, random or system_random())
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

--- Who takes requests has changed (see moongate.health).
function pickers:refresh()
  self.all:refresh()
  for _, one in pairs(self.subsets) do one:refresh() end
end

--- Pickers for a service of the model and for each of its subsets.
-- @param options as for picker.new(); random may be absent
function balance.new(service, options)
  local conf = service.balance
  local given = { active = options.active, random = options.random or system_random(), now = options.now,
    health = options.health }
  local self = setmetatable({ all = picker.new(service.endpoints, conf, given), subsets = {} }, pickers)
  for name, labels in pairs(service.subsets) do
    self.subsets[name] = picker.new(select(service.endpoints, labels), conf, given)
  end
  return self
end

return balance
