--- socket: connections on which policies speak what they like, in plain sequential code; other requests go on.
-- A socket is used by whoever has it, one reader and one writer at a time, and outlives the request that opened it; but
-- it is closed where that one's client leaves while it waits on it, and nobody else has used it yet.
local abi = require "moongate.abi"
local closed = require "moongate.closed"
local context = require "moongate.ctx"
local wait = require "moongate.wait"

local C, span = abi.C, abi.span
local text = abi.text
local yield = coroutine.yield

local socket = {}
local methods = {}
local make, handles = closed.class(methods) -- the core's handle; false: closed
local users = setmetatable({}, { __mode = "k" }) -- by socket: the mark of the one request that has used it; false: more

local TIMEOUT, CONNECT_TIMEOUT = 10000, 3000 -- ms
local LIMIT = 65536 -- bytes of a line, and of what is kept unread

-- The ctx of who uses `self` (nil: there is none yet).
local function lane(what, self)
  local ctx = context.current()
  if not ctx then error(what .. ": only while a request or a timer runs", 3) end
  if self and users[self] and users[self] ~= context.mark(ctx) then users[self] = false end
  return ctx
end

-- true, or nil, why, and whether the time was over; ends the lane whose client has left.
local function outcome(ctx, rc, self)
  if rc == C.MG_AGAIN then rc = yield() end
  if rc == 0 then return true end
  if rc == C.MG_EGONE and ctx._x.gone then
    if users[self] then self:close() end
    error(wait.GONE, 0)
  end
  return nil, "socket: " .. abi.error_text(rc), rc == C.MG_ETIMEOUT
end

local function is_time(ms) return ms == nil or type(ms) == "number" and ms >= 0 and ms < 2 ^ 32 end

-- ---- connecting ---------------------------------------------------------------------------

local contexts = setmetatable({}, { __mode = "v" }) -- TLS, by what they are made of

-- { ca =, cert =, key = PEM texts, name =, insecure = } as a context, or nil and why.
local function tls_context(tls, host)
  local name = tls.name or host
  local parts = { tls.ca or "", tls.cert or "", tls.key or "", name, tostring(tls.insecure or false) }
  local key = table.concat(parts, "\0")
  if contexts[key] then return contexts[key] end
  local made = C.mg_tls_client(abi.str(parts[1]), abi.str(parts[2]), abi.str(parts[3]), abi.str(name),
    tls.insecure or false, span)
  if made == nil then return nil, text(span[0]) end
  contexts[key] = abi.gc(made, C.mg_tls_put)
  return made
end

local function endpoint_of(options)
  local host = options.address:match "^%[(.*)%]:%d+$" or options.address:match "^(.*):%d+$" or ""
  local tls, name = nil, ""
  if options.tls then
    local made, why = tls_context(options.tls, host)
    if not made then return nil, why end
    tls, name = made, options.tls.name or host
  end
  local endpoint = C.mg_endpoint_get(abi.new("struct mg_endpoint_conf", {
    address = abi.str(options.address), sni = abi.str(name), verify = abi.str "", tls = tls,
    connect_timeout_ms = options.timeout or CONNECT_TIMEOUT,
  }), span)
  if endpoint == nil then return nil, text(span[0]) end
  return endpoint
end

--- Connects, and waits until the connection (and its TLS) stands.
-- @param options { address = "host:port", timeout = ms (3000), tls = { ca, cert, key = PEM texts (ca: the system's when
-- absent), name = to verify, insecure = true for none } or nil }
-- @return the socket, or nil and why
function socket.connect(options)
  local ctx = lane("socket.connect", nil)
  if type(options.address) ~= "string" or not is_time(options.timeout) then
    error("socket.connect: expected an address and a time in ms", 2)
  end
  local endpoint, why = endpoint_of(options)
  if not endpoint then return nil, "socket: " .. why end
  local handle = C.mg_socket_new(endpoint, span)
  C.mg_endpoint_put(endpoint) -- the socket counts its own reference
  if handle == nil then return nil, "socket: " .. text(span[0]) end
  local self = make(abi.gc(handle, C.mg_socket_close))
  users[self] = context.mark(ctx)
  local ok, err = outcome(ctx, C.mg_socket_connect(ctx._x, handle), self)
  if ok then return self end
  C.mg_socket_why(handle, span)
  err = span[0].len > 0 and "socket: " .. text(span[0]) or err
  self:close()
  return nil, err
end

-- ---- using it -----------------------------------------------------------------------------

local CLOSED = "socket: is closed"

--- Sends bytes, and waits at most `timeout` ms (10000) until the system has taken them; with 0 it does not wait.
-- @return true, or nil and why; nothing was taken if what was written before has not been sent yet
function methods:write(bytes, timeout)
  local ctx = lane("socket:write", self)
  if not handles[self] then return nil, CLOSED end
  return outcome(ctx, C.mg_socket_write(ctx._x, handles[self], bytes, #bytes, timeout or TIMEOUT), self)
end

-- Waits for `least` bytes; afterwards `span` has all that is there.
local function fill(self, least, timeout)
  local ctx = lane("socket:read", self)
  if not handles[self] then return nil, CLOSED end
  local ok, why, late = outcome(ctx, C.mg_socket_wait(ctx._x, handles[self], least, timeout or TIMEOUT), self)
  if not handles[self] then return nil, CLOSED end -- by somebody else meanwhile
  if ok then C.mg_socket_bytes(handles[self], span) end
  return ok, why, late
end

-- The first `count` of the bytes in `span`.
local function take(self, count)
  local bytes = abi.string(span[0].ptr, count)
  C.mg_socket_take(handles[self], count)
  return bytes
end

--- Waits for exactly `count` bytes, each pause at most `timeout` ms (10000).
-- @return the bytes, or nil and why
function methods:read(count, timeout)
  local parts, left = {}, count
  while left > 0 do
    local ok, why = fill(self, math.min(left, LIMIT / 2), timeout)
    if not ok then return nil, why end
    local bytes = take(self, math.min(left, span[0].len))
    parts[#parts + 1], left = bytes, left - #bytes
  end
  return table.concat(parts)
end

--- Waits for bytes that end in `mark`, 64 KiB at most.
-- @return the bytes, the mark included; or nil, why, and true where the time was over: then nothing was taken
function methods:read_until(mark, timeout)
  local looked = 0
  while true do
    local ok, why, late = fill(self, looked + 1, timeout)
    if not ok then return nil, why, late end
    local bytes = text(span[0])
    local _, last = bytes:find(mark, math.max(1, looked - #mark + 2), true)
    if last then
      C.mg_socket_take(handles[self], last)
      return bytes:sub(1, last)
    end
    looked = #bytes
  end
end

--- Closes it; who waits on it is told.
function methods:close()
  if not handles[self] then return end
  C.mg_socket_close(abi.gc(handles[self], nil))
  handles[self] = false
end

for _, waits in ipairs { outcome, fill, socket.connect, methods.write, methods.read, methods.read_until } do
  jit.off(waits)
end

return socket
