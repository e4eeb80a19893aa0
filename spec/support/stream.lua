--- stream: one TCP connection of a spec, read and written byte by byte as the spec says; or one with TLS on it.
local loop = require "spec.support.loop"
local socket = require "socket"
local tls = require "spec.support.tls"
local unix = require "socket.unix"

local stream = {}
local methods = {}
local mt = { __index = methods }

--- Wraps a luasocket client.
function stream.wrap(sock)
  sock:settimeout(0)
  if tostring(sock):find "^tcp" then sock:setoption("tcp-nodelay", true) end
  return setmetatable({ sock = sock, buffer = "", ended = false }, mt)
end

--- Connects to "host:port", a port on 127.0.0.1, or "unix:/path".
function stream.connect(address)
  local path = tostring(address):match "^unix:(.*)$"
  if path then
    local sock = assert(unix())
    assert(sock:connect(path))
    return stream.wrap(sock)
  end
  local host, port = tostring(address):match "^(.*):(%d+)$"
  local sock = assert(socket.tcp())
  sock:settimeout(5)
  assert(sock:connect(host or "127.0.0.1", tonumber(port or address)))
  return stream.wrap(sock)
end

-- What TLS waits for before it can go on: the mode for loop.wait(), or nil.
local WANTS = { wantread = "r", wantwrite = "w" }

--- Does a TLS handshake as a client, on a connection of which nothing was read: the same connection, or nil and why.
-- @param ctx of tls.client(); @param name the server's, sent as SNI and verified
function methods:start_tls(ctx, name)
  local sock = tls.wrap(self.sock, ctx, name)
  self.sock = sock
  while true do
    local ok, err = sock:dohandshake()
    if ok then return self end
    if not WANTS[err] then return nil, err end
    if not loop.wait(sock, WANTS[err]) then return nil, "timeout" end
  end
end

--- Sends all of it; nil and why when the peer has gone.
function methods:send(bytes)
  local at = 1
  while at <= #bytes do
    local last, err, partial = self.sock:send(bytes, at)
    if not last and err ~= "timeout" and not WANTS[err] then return nil, err end
    at = (last or partial) + 1
    if not last and not loop.wait(self.sock, WANTS[err] or "w") then return nil, "timeout" end
  end
  return true
end

-- Reads what is there into the buffer, waiting for something: true, or nil and "closed", "timeout" or a reset.
local function fill(self, limit)
  if self.ended then return nil, self.ended end
  while true do
    local bytes, err, partial = self.sock:receive(65536)
    bytes = bytes or partial
    if bytes and #bytes > 0 then
      self.buffer = self.buffer .. bytes
      if err == "closed" then self.ended = "closed" end
      return true
    end
    if err ~= "timeout" and not WANTS[err] then
      self.ended = err
      return nil, err
    end
    if not loop.wait(self.sock, WANTS[err] or "r", limit) then return nil, "timeout" end
  end
end

--- Exactly `n` bytes; nil, why and what came instead.
function methods:read(n, limit)
  local parts, have = {}, 0
  while have + #self.buffer < n do
    parts[#parts + 1], have, self.buffer = self.buffer, have + #self.buffer, ""
    local ok, err = fill(self, limit)
    if not ok then
      self.buffer = table.concat(parts)
      return nil, err, self.buffer
    end
  end
  local rest = n - have
  parts[#parts + 1] = self.buffer:sub(1, rest)
  self.buffer = self.buffer:sub(rest + 1)
  return table.concat(parts)
end

--- Up to `n` bytes: whatever is there, at least one.
function methods:read_some(n, limit)
  if self.buffer == "" then
    local ok, err = fill(self, limit)
    if not ok then return nil, err end
  end
  local bytes = self.buffer:sub(1, n)
  self.buffer = self.buffer:sub(#bytes + 1)
  return bytes
end

--- All up to and with `mark`; nil, why and what came instead.
function methods:read_until(mark, limit)
  while true do
    local _, last = self.buffer:find(mark, 1, true)
    if last then
      local bytes = self.buffer:sub(1, last)
      self.buffer = self.buffer:sub(last + 1)
      return bytes
    end
    local ok, err = fill(self, limit)
    if not ok then return nil, err, self.buffer end
  end
end

--- All until the peer closes, and how it ended ("closed" or a reset); nil and "timeout" if it does not.
function methods:read_all(limit)
  local parts = {}
  while true do
    parts[#parts + 1], self.buffer = self.buffer, ""
    local ok, err = fill(self, limit)
    if not ok and err == "timeout" then return nil, "timeout", table.concat(parts) end
    if not ok then return table.concat(parts), err end
  end
end

--- True when the peer has closed and nothing came before that.
function methods:closed(limit)
  if self.buffer ~= "" then return false end
  local ok, err = fill(self, limit)
  return not ok and err ~= "timeout"
end

--- Closes our sending side only.
function methods:finish() self.sock:shutdown "send" end

--- Closes; with `reset` the peer gets an RST and no orderly end.
function methods:close(reset)
  if reset then self.sock:setoption("linger", { on = true, timeout = 0 }) end
  self.sock:close()
  self.ended = self.ended or "closed"
end

return stream
