--- guard: a phase of a policy whose use says on_error = "skip": where it fails, the request goes on without it.
local budget = require "moongate.budget"
local face = require "moongate.face"
local wait = require "moongate.wait"

--- The phase's function, guarded.  Such a policy never decides: what it returns counts for a body alone.
return function(phase)
  local function guarded(conf, held, bytes, last)
    local ok, result = xpcall(phase, budget.traceback, conf, held, bytes, last)
    if ok then return type(result) == "string" and result or nil end
    if result == wait.GONE then error(result, 0) end
    local ctx = face.behind(held)
    budget.blame(ctx, result)
  end
  jit.off(guarded) -- it waits
  return guarded
end
