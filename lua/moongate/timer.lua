--- timer: functions that run later, each on a lane of its own; what needs no ctx (http, shared, ...) works there.
local abi = require "moongate.abi"
local budget = require "moongate.budget"
local log = require "moongate.log"

local C = abi.C

local timer = {}

local jobs = {} -- by id: { fn =, every = ms or nil, owner = policy or nil, running = }
local last_id = 0
local counts = {} -- by policy: its timers that wait or run
local most = math.huge -- of one policy

local LONGEST = 2 ^ 31 / 1000 -- seconds

-- Timers that a config's policies start while they are prepared end when the next config takes over.
local loading, serving = nil, {}
local in_load = false -- whether what runs now belongs to the load; else it is a request that came between
local loads = 0

local function count(owner, by)
  if owner then counts[owner] = (counts[owner] or 0) + by end
end

local function drop(id)
  local job = jobs[id]
  jobs[id] = nil
  if job and not job.running then count(job.owner, -1) end
end

local function start(id, ms)
  local rc = C.mg_timer_start(id, ms)
  if rc ~= 0 then
    drop(id)
    return nil, "timer: " .. abi.error_text(rc)
  end
  return id
end

local function new(seconds, fn, every, owner)
  local known = type(seconds) == "number" and seconds >= 0 and seconds < LONGEST and type(fn) == "function"
  if not known then error("timer: expected seconds and a function", 3) end
  if owner and (counts[owner] or 0) >= most then return nil, "timer: the policy has too many" end
  last_id = last_id + 1
  local ms = math.max(1, math.floor(seconds * 1000))
  jobs[last_id] = { fn = fn, every = every and ms, owner = owner }
  count(owner, 1)
  if in_load then loading[#loading + 1] = last_id end
  return start(last_id, ms)
end

--- Calls fn() once, after `seconds`, on behalf of the policy `owner` (nil: of moongate).
-- Returns an id for cancel(), or nil and why (too many timers).
function timer.after(seconds, fn, owner)
  return new(seconds, fn, false, owner)
end

--- Calls fn() every `seconds`, counted from the end of the call before, so calls never overlap.
function timer.every(seconds, fn, owner)
  return new(seconds, fn, true, owner)
end

--- The function will not be called again.
-- @param owner policy whose timers alone it may be (nil: anybody's)
function timer.cancel(id, owner)
  local job = jobs[id]
  if not job or owner and job.owner ~= owner then return end
  drop(id)
  C.mg_timer_stop(id)
end

--- How many timers of one policy may wait and run.
function timer.allow(count_of_each) most = count_of_each end

--- The policy that timer `id` is of, or false.
function timer.owner(id) return jobs[id] and jobs[id].owner or false end

--- A config is being loaded; called by moongate.worker.
function timer.begin_load()
  loading, loads, in_load = {}, loads + 1, true
end

--- The load makes a pause, or (false) goes on.
function timer.pause_load(paused) in_load = loading ~= nil and not paused end

--- A number of its own for each load: what is to run once a load, however many policies ask for it, compares it.
function timer.load_number()
  return loads
end

--- It has been: `ok` says whether it serves from now on.
function timer.end_load(ok)
  local stale = ok and serving or loading
  if ok then serving = loading end
  loading, in_load = nil, false
  for _, id in ipairs(stale) do timer.cancel(id) end
end

--- Runs job `id` on this lane; called by the runtime.
-- @return nil, or the error, with its stack
function timer.run(id)
  local job = jobs[id]
  if not job then return nil end
  if not job.every then jobs[id] = nil end
  job.running = true
  local ok, err = xpcall(job.fn, budget.traceback)
  job.running = false
  if job.every and jobs[id] then
    local started, why = start(id, job.every)
    if not started then log.error(why) end
  else
    count(job.owner, -1)
  end
  if not ok then return err end
end

return timer
