--- pause: long work in small pieces, between which a worker serves.
-- Whoever does such work says pause.here() where it may be left for a while: then other code may run, and nothing that
-- only the work itself changes has changed when it goes on.
local bounded = require "moongate.bounded"
local time = require "moongate.time"

local pause = {}

local monotonic = time.monotonic
local by -- when the piece that runs is to end; nil: nothing runs in pieces

--- A good place to leave off; costs next to nothing where nothing runs in pieces, or the piece is not over.
function pause.here()
  if not by or monotonic() < by then return end
  local stopped = bounded.stop()
  coroutine.yield()
  if stopped then bounded.go_on() end
end

--- Runs a piece of the work that coroutine `work` does, of about `seconds` (math.huge: all of it).
-- @return as coroutine.resume(): nothing more than true when it was left off at pause.here()
function pause.piece(work, seconds)
  by = monotonic() + seconds
  local ok, first, second = coroutine.resume(work)
  by = nil
  return ok, first, second
end

return pause
