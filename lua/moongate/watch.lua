--- watch: policies that are told when another one of their chain has taken long, waits included (`slower_than` and
-- `slow` of a policy).
-- A chain without one of them has nothing of this; in one with, each call of the others looks at the clock twice.
local face = require "moongate.face"
local time = require "moongate.time"

local watch = {}

--- Those among the uses of a chain (see moongate.chain) that watch: an array of { i = by which its notes are known,
-- slow =, conf =, least = seconds }, with the `least` of all; nil: none does.
function watch.watchers(uses)
  local list
  for i, use in ipairs(uses) do
    local least = use.policy.slower_than and use.policy.slower_than(use.prepared)
    if least then
      list = list or { least = math.huge }
      list.least = math.min(list.least, least / 1000)
      list[#list + 1] = { i = uses.offset + i, slow = use.policy.slow, conf = use.prepared, least = least / 1000 }
    end
  end
  return list
end

local function tell(watchers, held, i, call)
  local state = face.behind(held)._s
  for _, watcher in ipairs(watchers) do
    if watcher.i ~= i and call.ended - call.began >= watcher.least then
      state.i = watcher.i
      watcher.slow(watcher.conf, held, call)
    end
  end
  state.i = i
end

--- The function of a policy's phase, watched; itself where nobody does.  A call that raises is not told.
-- @param i by which its notes are known
function watch.watched(watchers, i, policy, phase, fn)
  if not watchers then return fn end
  local function watched(conf, held, bytes, last)
    local began = time.now()
    local one, two = fn(conf, held, bytes, last)
    local ended = time.now()
    if ended - began >= watchers.least then
      tell(watchers, held, i, { policy = policy, phase = phase, began = began, ended = ended })
    end
    return one, two
  end
  jit.off(watched) -- it waits
  return watched
end

return watch
