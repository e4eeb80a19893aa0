--- waker: ends the sleep of one request from another one, or from a timer.
local abi = require "moongate.abi"
local closed = require "moongate.closed"

local C = abi.C

local methods = {}
local make, inside = closed.class(methods)

--- Ends the sleep of the request that it is of; nothing happens when that is in none, or over.
function methods:wake()
  local own = inside[self]
  if own.mark == own.ctx._s.mark then C.mg_wake(own.ctx._x) end
end

--- A waker of the request that `ctx` serves now.
-- @param mark of it, by ctx.mark()
return function(ctx, mark) return make { ctx = ctx, mark = mark } end
