--- loop: lets a spec be its own client and its own upstream, on real sockets, in one thread.
-- A task is a coroutine; what waits in a task lets the others run, and what waits outside of one (in the body of a
-- spec) runs them meanwhile.  Every wait has a limit.
local socket = require "socket"

local loop = {}

--- Seconds after which a wait gives up, unless it names its own limit.
loop.LIMIT = tonumber(os.getenv "SPEC_LIMIT") or 15

local waiting, errors = {}, {} -- coroutine -> { socket =, mode =, deadline = }
local current

local function resume(task, ...)
  waiting[task] = nil
  local before = current
  current = task
  local ok, err = coroutine.resume(task, ...)
  current = before
  if not ok then errors[#errors + 1] = debug.traceback(task, tostring(err)) end
end

-- Runs what is ready, waiting at most until `deadline` or until `mine` is ready.
local function turn(mine, deadline)
  local readers, writers = {}, {}
  local function note(wait)
    if wait.socket then table.insert(wait.mode == "w" and writers or readers, wait.socket) end
    deadline = math.min(deadline, wait.deadline)
  end
  note(mine)
  for _, wait in pairs(waiting) do note(wait) end
  local pause = math.max(0, deadline - socket.gettime())
  local can_read, can_write = socket.select(readers, writers, pause)
  local now, due = socket.gettime(), {}
  for task, wait in pairs(waiting) do
    local ready = wait.socket and (wait.mode == "w" and can_write or can_read)[wait.socket]
    if ready then due[task] = "ready" elseif now >= wait.deadline then due[task] = "timeout" end
  end
  for task, how in pairs(due) do
    if waiting[task] then resume(task, how == "ready") end
  end
  local ready = mine.socket and (mine.mode == "w" and can_write or can_read)[mine.socket]
  if #errors > 0 then error(table.remove(errors, 1), 0) end
  return ready ~= nil and ready ~= false
end

--- Waits until `sock` can be read ("r") or written ("w"): true, or false after `limit` seconds.
function loop.wait(sock, mode, limit)
  local wait = { socket = sock, mode = mode, deadline = socket.gettime() + (limit or loop.LIMIT) }
  if current then
    waiting[current] = wait
    return coroutine.yield()
  end
  repeat
    if turn(wait, wait.deadline) then return true end
  until socket.gettime() >= wait.deadline
  return false
end

--- Waits `seconds`.
function loop.sleep(seconds)
  loop.wait(nil, nil, seconds)
end

--- Waits until `check` returns something, and returns it; nil after `limit` seconds.
function loop.poll(check, limit)
  local deadline = socket.gettime() + (limit or loop.LIMIT)
  repeat
    local result = check()
    if result then return result end
    loop.sleep(0.01)
  until socket.gettime() > deadline
end

--- Starts a task.  An error in it is raised where the spec next waits.
function loop.spawn(fn, ...)
  local task = coroutine.create(fn)
  resume(task, ...)
  return task
end

--- Runs functions side by side and returns their results, in order, when all have ended.
function loop.all(...)
  local results, left = {}, select("#", ...)
  for i, fn in ipairs { ... } do
    loop.spawn(function()
      results[i] = fn()
      left = left - 1
    end)
  end
  assert(loop.poll(function() return left == 0 or nil end, 60), "not all ended")
  return results
end

--- Forgets all tasks and their errors: what one spec started must not meet the next.
function loop.reset()
  for task in pairs(waiting) do waiting[task] = nil end
  errors = {}
end

loop.now = socket.gettime

return loop
