--- board: what one worker finds out about an endpoint, told to all others by a dictionary that they share.
-- A number of changes says when to look again, so that looking costs one read while nothing happens.
local shared = require "moongate.shared"

local board = {}

local SIZE = "1MiB" -- some 8,000 endpoints; who is pushed out counts as well until the next check
local CHANGES = "changes"

local dict, unshared

local function opened()
  if not dict and not unshared then
    dict = shared.open("moongate health", { size = SIZE })
    unshared = not dict
  end
  return dict
end

local function key_of(kind, service, address)
  return kind .. "\0" .. service .. "\0" .. address
end

--- Whether this worker may do what one of them does every `seconds`; if not, also when to ask again (in seconds).
function board.take(kind, service, endpoint, seconds)
  local on = opened()
  if not on then return true end
  local key = key_of(kind, service, endpoint.address)
  if on:add(key, 1, seconds) ~= false then return true end
  return false, on:ttl(key) or 0
end

--- What was noted of an endpoint, or nil.
function board.read(kind, service, endpoint)
  local on = opened()
  return on and on:get(key_of(kind, service, endpoint.address))
end

--- Notes a text, for `seconds` (nil: until it is pushed out).
function board.note(kind, service, endpoint, text, seconds)
  local on = opened()
  if on then on:set(key_of(kind, service, endpoint.address), text, seconds) end
end

--- What was noted of the endpoint at `address` counts no more.
function board.forget(kind, service, address)
  local on = opened()
  if on then on:delete(key_of(kind, service, address)) end
end

--- The others are to look.
function board.change()
  local on = opened()
  if on then on:incr(CHANGES, 1) end
end

--- A text that is another one after a change.
function board.changes()
  local on = opened()
  return on and on:get(CHANGES) or ""
end

return board
