--- world: time and connections of a test: nothing happens outside of run(), and the clock moves only when nothing else
-- can happen.  Whatever waits (sleeps, timers, timeouts, retries) is the core's own; only its clock is held.
local abi = require "moongate.abi"
local core = require "moongate.rehearsal_core"

local C = abi.C

-- `turns` counts those of run(): who sees it move has waited.
local world = { turns = 0 }

local WALL = 1767225600 -- 2026-01-01T00:00:00Z, when every test run begins
local QUIET = 2 -- turns in which nothing moved, before time does

local ends = {} -- array of { connection =, on_bytes = function(all bytes so far), on_close = function(reset) }
local events, counted = {}, 0 -- array of { at = ms, order =, fn = }, the next one first

--- Ms of the held clock.
function world.now() return tonumber(C.mg_now_ns()) / 1e6 end

--- Makes what stands for a worker; once a process.
function world.open(seed)
  core.open(require("moongate.runtime").lane, { wall = WALL, seed = seed })
end

--- Calls fn() in `ms`.
function world.after(ms, fn)
  counted = counted + 1
  local event, i = { at = world.now() + ms, order = counted, fn = fn }, #events
  while i > 0 and events[i].at > event.at do i = i - 1 end
  table.insert(events, i + 1, event)
end

--- From now on `handlers` (on_bytes, on_close) hears what the core sends on `connection`.
function world.hear(connection, handlers)
  handlers.connection, handlers.seen = connection, 0
  ends[#ends + 1] = handlers
end

-- Who answers connections to endpoints: function(connection, address).
local accept

--- Forgets all connections and events: the next test begins.
function world.begin(on_dialed)
  for _, one in ipairs(ends) do one.connection:feed("", true) end
  world.run(function() return false end, 0)
  ends, events, accept = {}, {}, on_dialed
end

local function poll(one)
  local some = one.connection:turn()
  local bytes = one.connection:written()
  if #bytes > one.seen then
    one.seen, some = #bytes, true
    if one.on_bytes then one.on_bytes(bytes) end
  end
  local closed, reset = one.connection:closed()
  if closed and not one.closed then
    one.closed, some = true, true
    if one.on_close then one.on_close(reset) end
  end
  return some
end

local function turn()
  local some = false
  world.turns = world.turns + 1
  for _, one in ipairs { unpack(ends) } do some = poll(one) or some end
  for i = #ends, 1, -1 do
    if ends[i].closed then table.remove(ends, i) end
  end
  local connection, address = core.dialed()
  while connection do
    some = true
    accept(connection, address)
    connection, address = core.dialed()
  end
  return some
end

-- Ms until something happens by itself; nil: nothing will.
local function to_wait()
  local due = core.due()
  local event = events[1] and math.max(0, events[1].at - world.now())
  if due and event then return math.min(due, event) end
  return due or event
end

local function fire()
  while events[1] and events[1].at <= world.now() do table.remove(events, 1).fn() end
end

--- Runs until done() says so, or `limit` ms have passed.
-- @return whether it was done
function world.run(done, limit)
  local stop, quiet = world.now() + limit, 0
  while not done() do
    quiet = turn() and 0 or quiet + 1
    if quiet >= QUIET then
      local left = stop - world.now()
      local wait = to_wait()
      if left <= 0 then return false end
      core.advance(math.min(wait or left, left))
      fire()
      quiet = 0
    end
  end
  return true
end

return world
