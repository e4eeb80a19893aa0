--- connection: one connection to Redis, on which many requests have commands under way at once.
-- A lane of its own connects and reads; who has a command writes it and sleeps until that lane brings the reply.  So a
-- request whose client leaves takes nothing with it that others wait for.
local resp = require "moongate.redis.resp"
local socket = require "moongate.socket"
local time = require "moongate.time"
local timer = require "moongate.timer"

local connection = {}

local IDLE = 60000 -- ms without a command after which it is closed

-- Commands under way: their bytes (nil: written), their count, the replies so far, and the waker of who sleeps for
-- them (nil: nobody).
local function settle(entry, why)
  entry.done, entry.why = true, why
  if entry.waker then entry.waker:wake() end
end

local function fail_all(self, why)
  self.ended, self.ready = why, false
  if self.socket then self.socket:close() end
  while self.first <= self.last do
    settle(self.queue[self.first], why)
    self.queue[self.first] = nil
    self.first = self.first + 1
  end
end

--- How many times somebody has commands under way.
function connection.pending(self) return self.last - self.first + 1 end

-- ---- the lane that reads ------------------------------------------------------------------

local function command(self, words)
  local sent, err = self.socket:write(resp.encode(words), self.options.timeout)
  if not sent then return nil, err end
  local reply, why = resp.read(self.socket, self.options.timeout)
  if reply == nil then return nil, why end
  if type(reply) == "table" and reply.error then return nil, reply.error end
  return reply
end

local function greet(self)
  local o, ok, why = self.options, true, nil
  if o.password then
    local words = o.username and { "AUTH", o.username, o.password } or { "AUTH", o.password }
    ok, why = command(self, words)
  end
  if ok and o.database then ok, why = command(self, { "SELECT", o.database }) end
  return ok, why
end

-- What was asked for while the connection was being made, all at once; but what nobody waits for any more.
local function flush(self)
  local waiting, parts = {}, {}
  for i = self.first, self.last do
    local entry = self.queue[i]
    if not entry.left then
      waiting[#waiting + 1], parts[#parts + 1] = entry, entry.bytes
    end
  end
  self.queue, self.first, self.last, self.ready = waiting, 1, #waiting, true
  return #parts == 0 or self.socket:write(table.concat(parts), 0)
end

local function take(self, entry, reply)
  if self.heard == 0 then self.on_answer() end
  self.heard = time.monotonic()
  entry.replies[#entry.replies + 1] = reply
  if #entry.replies < entry.count then return end
  self.queue[self.first] = nil
  self.first = self.first + 1
  settle(entry)
end

local function read_all(self)
  while true do
    local reply, why, idle = resp.read(self.socket, IDLE)
    if reply ~= nil then
      local entry = self.queue[self.first]
      if not entry then return "a reply that nobody asked for" end
      take(self, entry, reply)
    elseif not idle or connection.pending(self) == 0 then
      return why
    end
  end
end

local function open(self)
  local o = self.options
  local made, err = socket.connect { address = o.address, tls = o.tls, timeout = o.timeout }
  if not made then return err end
  self.socket = made
  local ok, why = greet(self)
  if ok then ok, why = flush(self) end
  if not ok then return why end
  return read_all(self)
end

local function run(self)
  local _, why = pcall(open, self) -- an error is why, too
  fail_all(self, tostring(why))
  self.on_end(self, self.ended)
end

-- ---- for a request ------------------------------------------------------------------------

--- Begins to connect.
-- @param options { address, tls, timeout (ms), username, password, database }
-- @param on_answer, on_end functions: a first command was answered; it has ended (self, why)
-- @return a connection; or nil and why
function connection.new(options, on_answer, on_end)
  local self = { options = options, queue = {}, first = 1, last = 0, heard = 0, ready = false, on_answer = on_answer,
    on_end = on_end }
  local started, why = timer.after(0, function() run(self) end)
  if not started then return nil, why end
  return self
end

local function push(self, entry)
  self.last = self.last + 1
  self.queue[self.last] = entry
  if not self.ready then return true end
  local sent, why = self.socket:write(entry.bytes, 0)
  if sent then return true end
  self.queue[self.last] = nil -- nothing of it was taken, and nobody came behind it
  self.last = self.last - 1
  return nil, why
end

-- Sleeps until the entry is done; then nobody ends another sleep of this request by it, whatever ended this one.
local function sleep(entry, ctx, ms)
  entry.waker = ctx:waker()
  local ok, err = pcall(ctx.sleep, ctx, ms)
  entry.waker = nil
  if not ok then error(err, 0) end
end

--- Sends commands and waits for their replies, at most options.timeout.
-- @param bytes of all commands; @param count how many they are
-- @return a list of replies, or nil and why
function connection.send(self, ctx, bytes, count)
  local began = time.monotonic()
  local entry = { bytes = bytes, count = count, replies = {}, done = false }
  local ok, why = push(self, entry)
  if not ok then return nil, why end
  sleep(entry, ctx, self.options.timeout)
  if entry.done then return not entry.why and entry.replies or nil, entry.why end
  entry.left = true
  -- A server that has said nothing all that time is not worth waiting for by others.
  if self.ready and self.heard < began then self.socket:close() end
  return nil, "no answer in time"
end

for _, waits in ipairs { command, greet, read_all, open, run, sleep, connection.send } do jit.off(waits) end

return connection
