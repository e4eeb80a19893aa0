--- upstream: a server inside the spec, whose answers are what the spec's function says.
--
-- The function gets each request (method, target, headers, raw, connection and index: the how-many-th of its
-- connection; stream: the connection itself) before its body is read: request:read() does that.  It returns
--   a string       sent as it is, and the connection stays open
--   a table        { status = 200, headers = {}, body = "" }, made into an answer with a length
--   true           nothing: the function has sent all it wanted
--   nil            the connection is closed
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local socket = require "socket"
local stream = require "spec.support.stream"
local unix = require "socket.unix"

local upstream = {}
local methods = {}

local request_mt = { __index = {} }

local CUT = {} -- raised when a body does not come whole: ends the connection, not the spec

--- Reads the request's body; the request.  When it is cut off, the connection is closed then and there.
function request_mt.__index.read(self)
  if not self.body and not http.read_request_body(self.stream, self) then error(CUT, 0) end
  return self
end

--- The bytes of an answer.
function upstream.format(answer)
  local body = answer.body or ""
  local lines = { ("HTTP/1.1 %d %s"):format(answer.status or 200, answer.reason or "X") }
  for name, value in pairs(answer.headers or {}) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do lines[#lines + 1] = name .. ": " .. one end
  end
  lines[#lines + 1] = "Content-Length: " .. #body
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

local function usual(request)
  request:read()
  return { body = "ok" }
end

local function serve(self, conn, number)
  local index = 0
  if self.raw then
    self.raw(conn)
    return conn:close()
  end
  while true do
    local request, err = http.read_request_head(conn, 60)
    if not request then
      if err ~= "closed" and err ~= "timeout" then self.errors[#self.errors + 1] = err end
      break
    end
    index = index + 1
    request.stream, request.connection, request.index = conn, number, index
    setmetatable(request, request_mt)
    self.requests[#self.requests + 1] = request
    local ok, answer = pcall(self.answer or usual, request)
    if not ok and answer ~= CUT then error(answer, 0) end
    if not ok or answer == nil then break end
    if type(answer) == "table" then answer = upstream.format(answer) end
    if type(answer) == "string" and not conn:send(answer) then break end
  end
  conn:close()
end

-- A listening socket, and its address and port.
local function listen(path)
  if path then
    local listener = assert(unix())
    assert(listener:bind(path))
    assert(listener:listen(1024))
    return listener, "unix:" .. path
  end
  local listener = assert(socket.bind("127.0.0.1", 0, 1024))
  local _, port = listener:getsockname()
  return listener, "127.0.0.1:" .. port, tonumber(port)
end

--- Starts one on a free port of 127.0.0.1, or at the path of a Unix socket.
-- @return { address = "127.0.0.1:port", port =, requests = all heads so far, connections = how many so far,
-- errors = what it could not read }; assign `answer` to change the function (nil: it says "ok"), or `raw` to
-- have a function(stream) in place of all this
function upstream.start(answer, path)
  local listener, address, port = listen(path)
  listener:settimeout(0)
  local self = setmetatable({
    listener = listener, port = port, address = address, answer = answer,
    requests = {}, connections = 0, errors = {}, open = {},
  }, { __index = methods })
  loop.spawn(function()
    while not self.stopped do
      local sock = listener:accept()
      if sock then
        self.connections = self.connections + 1
        local conn = stream.wrap(sock)
        self.open[#self.open + 1] = conn
        loop.spawn(serve, self, conn, self.connections)
      else
        loop.wait(listener, "r", 3600)
      end
    end
  end)
  return self
end

--- The last request it saw.
function methods:last() return self.requests[#self.requests] end

--- Closes the listening socket and all connections; its port then refuses.
function methods:stop()
  self.stopped = true
  self.listener:close()
  for _, conn in ipairs(self.open) do conn:close() end
end

return upstream
