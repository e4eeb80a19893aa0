--- control: the functions with which policies catch errors, and their coroutines.
-- A policy that has used up its budget is ended by an error, which these do not catch; and what waits inside of a
-- coroutine of a policy makes the request wait, not the coroutine that resumed it.
local context = require "moongate.ctx"
local protected = require "moongate.protected"

local create, running, status = coroutine.create, coroutine.running, coroutine.status
local resume, yield = coroutine.resume, coroutine.yield
local settle = protected.settle

local control = { pcall = protected.pcall, xpcall = protected.xpcall }

-- ---- coroutines ---------------------------------------------------------------------------

local OWN = {} -- what a policy's own yield says first: a wait of the core says nothing
local made = setmetatable({}, { __mode = "k" }) -- coroutines of policies
local waits = setmetatable({}, { __mode = "k" }) -- those in which a request waits: its lane alone goes on with them

-- What a wait has come to goes to where it was waited for.
local function waited(co, ...)
  waits[co] = nil
  return resume(co, ...)
end

local function step(co, ok, first, ...)
  if not ok then return settle(false, first, ...) end
  if first == OWN then return true, ... end
  if status(co) == "dead" then return true, first, ... end
  waits[co] = true
  return step(co, waited(co, yield()))
end

--- As coroutine.create.
function control.create(f)
  local co = create(f)
  made[co] = true
  return co
end

--- As coroutine.resume.
function control.resume(co, ...)
  if not made[co] then error("coroutine.resume: expected a coroutine of a policy", 2) end
  if waits[co] then return false, "cannot resume a coroutine in which another request waits" end
  context.lend(co)
  return step(co, resume(co, ...))
end

local function raise(ok, ...)
  if not ok then error(..., 0) end
  return ...
end

--- As coroutine.wrap.
function control.wrap(f)
  local co = control.create(f)
  return function(...) return raise(control.resume(co, ...)) end
end

--- As coroutine.yield, from a coroutine of the policy's own.
function control.yield(...)
  if not made[running()] then error("coroutine.yield: not inside of a coroutine; ctx:sleep() waits", 2) end
  return yield(OWN, ...)
end

--- As coroutine.running: nil outside of the policy's own ones.
function control.running()
  local co = running()
  return made[co] and co or nil
end

--- As coroutine.status; one in which a request waits is "normal": active, and not to be resumed.
function control.status(co)
  return waits[co] and "normal" or status(co)
end

return control
