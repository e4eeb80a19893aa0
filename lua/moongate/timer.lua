--- timer: functions that run later, each on a lane of its own; what needs no ctx (http, shared, ...) works there.
local abi = require "moongate.abi"
local log = require "moongate.log"

local C = abi.C

local timer = {}

local jobs = {} -- by id: { fn =, every = ms or nil }
local last_id = 0

-- Timers that a config's policies start while they are prepared end when the next config takes over.
local loading, serving = nil, {}
local loads = 0

local function start(id, ms)
  local rc = C.mg_timer_start(id, ms)
  if rc ~= 0 then
    jobs[id] = nil
    return nil, "timer: " .. abi.error_text(rc)
  end
  return id
end

local function new(seconds, fn, every)
  last_id = last_id + 1
  local ms = math.max(1, math.floor(seconds * 1000))
  jobs[last_id] = { fn = fn, every = every and ms }
  if loading then loading[#loading + 1] = last_id end
  return start(last_id, ms)
end

--- Calls fn() once, after `seconds`.  Returns an id for cancel(), or nil and why (too many timers).
function timer.after(seconds, fn)
  return new(seconds, fn, false)
end

--- Calls fn() every `seconds`, counted from the end of the call before, so calls never overlap.
function timer.every(seconds, fn)
  return new(seconds, fn, true)
end

--- The function will not be called again.
function timer.cancel(id)
  jobs[id] = nil
  C.mg_timer_stop(id)
end

--- A config is being loaded; called by moongate.worker.
function timer.begin_load()
  loading, loads = {}, loads + 1
end

--- A number of its own for each load: what is to run once a load, however many policies ask for it, compares it.
function timer.load_number()
  return loads
end

--- It has been: `ok` says whether it serves from now on.
function timer.end_load(ok)
  local stale = ok and serving or loading
  if ok then serving = loading end
  loading = nil
  for _, id in ipairs(stale) do timer.cancel(id) end
end

-- An error may be any value.
local function traceback(err)
  return debug.traceback(tostring(err), 2)
end

--- Runs job `id` on this lane; called by the runtime.
function timer.run(id)
  local job = jobs[id]
  if not job then return end
  if not job.every then jobs[id] = nil end
  local ok, err = xpcall(job.fn, traceback)
  if not ok then log.error("a timer raised", { error = err }) end
  if job.every and jobs[id] then
    local started, why = start(id, job.every)
    if not started then log.error(why) end
  end
end

return timer
