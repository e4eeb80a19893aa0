--- bounded: calls of what a policy does while a config is loaded: its file, check, body, prepare, migrate.  No request
-- waits for these, so they may take long, but not for ever: the error that ends one is caught by nobody
-- (moongate.protected).
local protected = require "moongate.protected"

local bounded = {}

local LONGEST = 2 -- seconds of CPU time
local FIRST_LOOK = 5 -- ms that a call has run at least when it is looked at first

-- Ticks of CPU time are the core's (core/script/budget.h); specs that run without it have no bound.
local core = package.preload["moongate.bounds"] and require "moongate.bounds" or nil
local began = false -- ms; true: a call has begun, and was not looked at yet
local spared = false -- nothing is compiled meanwhile but what these calls run

--- Code that is not moongate's own is about to be loaded: from now on there are ticks, in a process that only reads a
-- config, too.
function bounded.begin()
  if core then core.start(require("moongate.budget").look) end
end

local function place_of(lane)
  local level = 0
  while true do
    local info = debug.getinfo(lane, level, "Sl")
    if not info then return "" end
    if info.currentline > 0 then return ("%s:%d: "):format(info.short_src, info.currentline) end
    level = level + 1
  end
end

--- How many bytes one string of a policy may have, where all that policies keep may be `memory` (0: no bound).
function bounded.longest(memory)
  return core and memory > 0 and core.longest(memory) or math.huge
end

--- Whether a call is under way.
function bounded.is_under_way() return began ~= false end

--- Called while one runs on (see moongate.budget.look).
-- @return the error to be raised, or nil
function bounded.look(lane, ms)
  if began == true then began = ms - FIRST_LOOK end
  if ms - began < LONGEST * 1000 then return nil end
  protected.breach = ("%sstill runs after %d s of CPU time"):format(place_of(lane), LONGEST)
  return protected.breach
end

local function leave(...)
  core.leave()
  began, protected.breach = false, false
  return ...
end

--- Whoever is under way stops for a while, and other code runs; pair it with go_on().
-- @return whether somebody was
function bounded.stop()
  if began == false then return false end
  core.leave()
  began = false
  return true
end

--- Who was under way goes on.
function bounded.go_on()
  core.enter()
  began = true
end

local function uncompiled(...)
  jit.off()
  return ...
end

--- As pcall.  On a request's lane the budgets of requests hold instead.
function bounded.pcall(fn, ...)
  if not core or not core.enter() then return pcall(fn, ...) end
  began = true
  if not spared then return leave(pcall(fn, ...)) end
  jit.on()
  return uncompiled(leave(pcall(fn, ...)))
end

local function compiled_again(...)
  if spared then jit.on() end
  spared = false
  return ...
end

--- As pcall, and nothing of it is compiled: but what bounded.pcall() calls, which is to take no longer than elsewhere.
function bounded.interpreted(fn, ...)
  spared = jit.status()
  jit.off()
  return compiled_again(pcall(fn, ...))
end

return bounded
