--- timer: functions that run later, each on a lane of its own; what needs no ctx (http, shared, ...) works there.
local abi = require "moongate.abi"
local log = require "moongate.log"

local C = abi.C

local timer = {}

local jobs = {} -- by id: { fn =, every = ms or nil }
local last_id = 0

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
end

--- Runs job `id` on this lane; called by the runtime.
function timer.run(id)
  local job = jobs[id]
  if not job then return end
  if not job.every then jobs[id] = nil end
  local ok, err = xpcall(job.fn, debug.traceback)
  if not ok then log.error("a timer raised", { error = err }) end
  if job.every and jobs[id] then
    local started, why = start(id, job.every)
    if not started then log.error(why) end
  end
end

return timer
