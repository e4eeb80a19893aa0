--- wait: how a lane waits for what the core has started.
local abi = require "moongate.abi"

local C = abi.C
local yield = coroutine.yield

local wait = {}

--- What ends a lane whose client has left; runtime.lua knows it.
wait.GONE = newproxy(true) -- pcall() gives it to policies, who can do nothing with it
local gone = getmetatable(wait.GONE)
gone.__tostring, gone.__metatable = function() return "the client has left" end, false

--- Waits if `rc` says so.  Raises when the wait ended badly: `what` says for whom.
function wait.await(rc, what)
  if rc == C.MG_AGAIN then rc = yield() end
  if rc == C.MG_EGONE then error(wait.GONE, 0) end
  if rc ~= 0 then error(what .. ": " .. abi.error_text(rc), 3) end
end

return wait
