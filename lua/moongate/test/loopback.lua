--- loopback: both ends of real connections in a test, and real time, for moongate.test.live; by luasocket.
local socket = require "socket"

local loopback = {}

local LONGEST = 60000 -- ms that run() waits
local STEP = 0.02 -- seconds between two looks at what is due

-- Ends of connections; sockets that upstreams listen on; what is due, as { at = ms, fn = }.
local ends, doors, events = {}, {}, {}

function loopback.now() return socket.gettime() * 1000 end

--- A port that nobody listens on.
function loopback.free_port()
  local door = assert(socket.bind("127.0.0.1", 0))
  local _, port = door:getsockname()
  door:close()
  return port
end

-- An end of a connection: what is written goes out when there is room.
local function end_of(sock, handlers)
  sock:settimeout(0)
  local one = { sock = sock, out = "", seen = "", on_bytes = handlers.on_bytes, on_close = handlers.on_close }
  ends[#ends + 1] = one
  return one
end

local function drop(one)
  one.gone = true
  one.sock:close()
  for i, other in ipairs(ends) do
    if other == one then table.remove(ends, i) break end
  end
end

local function flush(one)
  while one.out ~= "" and not one.gone do
    local sent, err, part = one.sock:send(one.out)
    one.out = one.out:sub((sent or part or 0) + 1)
    if err == "timeout" then return end
    if err then return drop(one) end
  end
  if one.at_end and not one.gone then one.at_end() end
end

local function receive(one)
  local bytes, err, part = one.sock:receive(65536)
  bytes = bytes or part or ""
  if bytes ~= "" then
    one.seen = one.seen .. bytes
    if one.on_bytes then one.on_bytes(one.seen) end
  end
  if err and err ~= "timeout" and not one.gone then
    drop(one)
    if one.on_close then one.on_close(one.seen) end
  end
end

local function wire_of(one)
  return {
    write = function(bytes)
      one.out = one.out .. bytes
      flush(one)
    end,
    close = function()
      one.at_end = function() drop(one) end
      flush(one)
    end,
    reset = function()
      one.at_end = function()
        one.sock:setoption("linger", { on = true, timeout = 0 })
        drop(one)
      end
      flush(one)
    end,
    stand = function() end,
    after = function(ms, fn) table.insert(events, { at = loopback.now() + ms, fn = fn }) end,
    now = loopback.now,
  }
end

local function take(door)
  local sock = door.sock:accept()
  if not sock then return end
  local one = end_of(sock, {})
  local wire = wire_of(one)
  wire.refuse = wire.reset -- the nearest that an open port can do
  one.on_bytes = door.upstream_of(door.address):accept(wire, door.address)
end

-- ---- time ---------------------------------------------------------------------------------

local function fire()
  local due = {}
  for i = #events, 1, -1 do
    if events[i].at <= loopback.now() then table.insert(due, 1, table.remove(events, i)) end
  end
  table.sort(due, function(a, b) return a.at < b.at end)
  for _, event in ipairs(due) do event.fn() end
end

local function look()
  local readers, writers, by_sock = {}, {}, {}
  for _, door in ipairs(doors) do
    readers[#readers + 1], by_sock[door.sock] = door.sock, door
  end
  for _, one in ipairs(ends) do
    readers[#readers + 1], by_sock[one.sock] = one.sock, one
    if one.out ~= "" then writers[#writers + 1] = one.sock end
  end
  local readable, writable = socket.select(readers, writers, STEP)
  for _, sock in ipairs(writable) do flush(by_sock[sock]) end
  for _, sock in ipairs(readable) do
    local one = by_sock[sock]
    if one.upstream_of then take(one) elseif not one.gone then receive(one) end
  end
  fire()
end

--- Runs until done() says so, or `limit` ms have passed (at most a minute).
function loopback.run(done, limit)
  local stop = loopback.now() + math.min(limit, LONGEST)
  while not done() do
    if loopback.now() >= stop then return false end
    look()
  end
  return true
end

-- ---- for the driver -----------------------------------------------------------------------

--- Lets the upstream of `address` listen somewhere: at the "host:port" that is returned.
function loopback.listen(address, upstream_of)
  for _, door in ipairs(doors) do
    if door.address == address then return door.at end
  end
  local sock = assert(socket.bind("127.0.0.1", 0))
  sock:settimeout(0)
  local _, port = sock:getsockname()
  local door = { sock = sock, address = address, at = "127.0.0.1:" .. port, upstream_of = upstream_of }
  table.insert(doors, door)
  return door.at
end

--- A client's connection from `address` to a port, on which `bytes` are sent.
-- @param handlers { on_bytes = function(all bytes so far), on_close = the same }
-- @return function() that closes it
function loopback.connect(address, port, bytes, handlers)
  local sock = assert(socket.tcp())
  assert(sock:bind(address, 0))
  assert(sock:connect("127.0.0.1", port))
  local one = end_of(sock, handlers)
  wire_of(one).write(bytes)
  return function() if not one.gone then drop(one) end end
end

--- Closes everything.
function loopback.close()
  for _, one in ipairs { unpack(ends) } do drop(one) end
  for _, door in ipairs(doors) do door.sock:close() end
  doors, events = {}, {}
end

return loopback
