--- succession: what is known of endpoints when one config takes over from another.
local board = require "moongate.health.board"
local shown = require "moongate.health.shown"

local succession = {}

local function leave(watch, heir, address, state)
  if not heir or heir.by_address[address] ~= state then
    shown.forget(watch.name, address, state)
  else
    shown.tell(watch.name, address, state)
    if heir.checked then return end
  end
  -- Whoever checks it again one day is to begin anew.
  if watch.checked then board.forget("check", watch.name, address) end
end

--- The watches of a config have an heir each, or none; nothing is known any more of endpoints that have gone.
-- @param before, after moongate.health of each service: of the config that ends, and of the one that takes over
function succession.hand_over(before, after)
  for service, watch in pairs(before) do
    local heir = after[service]
    watch.heir = heir or false
    for address, state in pairs(watch.by_address) do leave(watch, heir, address, state) end
  end
end

local function own_endpoint(watch, address)
  for endpoint in pairs(watch.states) do
    if endpoint.address == address then return endpoint end
  end
end

--- Who is to hear what a check found out that began when `watch` served: the watch that serves now, and what it calls
-- the endpoint; nil: nobody checks that any more.
function succession.current(watch, endpoint)
  if watch.heir == nil then return watch, endpoint end
  repeat watch = watch.heir until not watch or watch.heir == nil
  local own = watch and watch.checked and own_endpoint(watch, endpoint.address)
  if own then return watch, own end
end

return succession
