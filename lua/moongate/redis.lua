--- redis: commands to a Redis server, on few connections that all requests of a worker share.
-- Commands of many requests are under way on one connection at once, so each takes one round trip and no connection of
-- its own.  Every wait has a limit, and so has the number of commands under way.  A server that cannot be reached, or
-- says nothing on a new connection, is not asked for a while: what is wanted meanwhile fails at once.
local closed = require "moongate.closed"
local connection = require "moongate.redis.connection"
local context = require "moongate.ctx"
local resp = require "moongate.redis.resp"
local time = require "moongate.time"

local redis = {}
local methods = {}
local make, inside = closed.class(methods)

local BUSY = 32 -- commands under way on each connection before another one is made
local PAUSE, LONGEST_PAUSE = 0.1, 2 -- seconds after a failure in which nobody connects, doubled each time

--- What stands for "there is none" in a reply.
redis.null = resp.null

--- A client; it connects when it is first used.
-- @param options { address = "host:port", timeout = ms of a round trip, connecting included (500), username, password,
-- database, tls (see moongate.socket), connections = at most (2), pending = commands under way at most (1024) }
function redis.new(options)
  return make {
    options = { address = options.address, tls = options.tls, timeout = options.timeout or 500,
      username = options.username, password = options.password, database = options.database },
    most = options.connections or 2, most_pending = options.pending or 1024, list = {}, pause = PAUSE, closed_until = 0,
  }
end

-- ---- connections --------------------------------------------------------------------------

local function remove(list, one)
  for i, known in ipairs(list) do
    if known == one then table.remove(list, i) end
  end
end

local function start(self)
  local answered = false
  local made, why = connection.new(self.options, function()
    answered, self.pause = true, PAUSE
  end, function(one, reason)
    remove(self.list, one)
    if answered then return end
    self.closed_until, self.trouble = time.monotonic() + self.pause, reason
    self.pause = math.min(self.pause * 2, LONGEST_PAUSE)
  end)
  if made then table.insert(self.list, made) end
  return made, why
end

-- The connection with the fewest commands, or a new one; nil and why.
local function choose(self)
  local best, fewest, all = nil, math.huge, 0
  for i = #self.list, 1, -1 do
    local one = self.list[i]
    local pending = connection.pending(one)
    all = all + pending
    if one.ended then table.remove(self.list, i) elseif pending < fewest then best, fewest = one, pending end
  end
  if all >= self.most_pending then return nil, "too many commands are under way" end
  if best and (fewest < BUSY or #self.list >= self.most) then return best end
  if not best and time.monotonic() < self.closed_until then return nil, self.trouble end
  local made, why = start(self)
  return made or best, why
end

-- ---- commands -----------------------------------------------------------------------------

--- Sends several commands, each a list of texts and numbers, in one round trip.
-- @return a list of replies: texts, numbers, lists, redis.null or { error = text }; or nil and why
function methods:pipeline(commands)
  local ctx = context.current()
  if not ctx then error("redis: only while a request or a timer runs", 2) end
  local parts = {}
  for i, command in ipairs(commands) do parts[i] = resp.encode(command) end
  if #parts == 0 then return {} end
  local one, why = choose(inside[self])
  local replies
  if one then replies, why = connection.send(one, ctx, table.concat(parts), #parts) end
  if not replies then return nil, "redis: " .. tostring(why):gsub("^socket: ", "") end
  return replies
end

--- Sends one command: client:call("GET", "key").
-- @return its reply (redis.null: there is none); or nil and why: what Redis says is wrong begins with "redis: " too
function methods:call(...)
  local replies, why = self:pipeline { { ... } }
  if not replies then return nil, why end
  local reply = replies[1]
  if type(reply) == "table" and reply.error then return nil, "redis: " .. reply.error end
  return reply
end

for _, waits in ipairs { methods.pipeline, methods.call } do jit.off(waits) end

return redis
