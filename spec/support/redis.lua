--- redis: the real redis-server on a free port of 127.0.0.1, in memory alone, started and killed by a spec.
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"

local redis = {}
local methods = {}

--- Starts one, and waits until it answers.
-- @param words more of its options, in which "$port" is its port; or nil
-- @return { port =, address = } with the methods below
function redis.new(words)
  local port = net.free_port()
  local self = setmetatable({ port = port, address = "127.0.0.1:" .. port, words = words or {}, out = os.tmpname() },
    { __index = methods })
  self:start()
  return self
end

--- Starts it again, empty.
function methods:start()
  local argv = { "redis-server", "--port", tostring(self.port), "--bind", "127.0.0.1", "--save", "",
    "--appendonly", "no" }
  for _, word in ipairs(self.words) do argv[#argv + 1] = (word:gsub("%$port", self.port)) end
  self.process = process.start(argv, self.out)
  local ready = loop.poll(function() return net.accepts(self.port) or nil end)
  assert(ready, "redis-server did not start: " .. (process.file(self.out) or ""))
end

--- Kills it, as a crash would.
function methods:kill()
  process.signal(self.process.pid, 9)
  process.wait(self.process, 10)
end

--- Stops or goes on: connections stay open, nothing is answered.
function methods:pause() process.signal(self.process.pid, 19) end
function methods:go_on() process.signal(self.process.pid, 18) end

--- Ends it.
function methods:stop()
  if process.alive(self.process) then self:kill() end
  os.remove(self.out)
end

return redis
