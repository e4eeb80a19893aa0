--- handle: what envoy_on_request() and envoy_on_response() get.
local base64 = require "moongate.base64"
local call = require "policies.envoy_lua.call"
local chunks = require "policies.envoy_lua.chunks"
local fields = require "policies.envoy_lua.fields"
local info = require "policies.envoy_lua.info"
local log = require "moongate.log"
local signature = require "policies.envoy_lua.signature"
local text = require "policies.envoy_lua.text"
local time = require "moongate.time"

local handle = {}
local methods = {}
local mt = { __index = methods, __metatable = false }

local STOPPED = {} -- raised to leave a script that has answered

-- ---- bodies -------------------------------------------------------------------------------

local buffer = {}
local buffer_mt = { __index = buffer, __metatable = false }

function buffer.length(self) return #self.bytes end

--- `length` bytes from `index`, counted from 0.
function buffer.getBytes(self, index, length)
  if index < 0 or length < 0 or index + length > #self.bytes then
    error("getBytes: index/length must be >= 0 and (index + length) must be <= buffer size", 2)
  end
  return self.bytes:sub(index + 1, index + length)
end

chunks.setup(buffer.getBytes)

--- Another content; its length.
function buffer.setBytes(self, bytes)
  self.bytes = text(bytes, "setBytes")
  self.ctx:replace_body(self.bytes)
  return #self.bytes
end

local function stop(self, answer)
  self.answer = answer
  error(STOPPED, 0)
end

local function read(self)
  if self.head_is_out then error("body: it has gone on in chunks", 0) end
  if not self.buffer then
    local bytes = self.ctx:read_body(self.conf.limit)
    if not bytes and self.side == "request" then stop(self, self.ctx:respond(413, "Payload Too Large")) end
    if not bytes then error(("body: longer than %d bytes"):format(self.conf.limit), 0) end
    self.buffer = setmetatable({ ctx = self.ctx, bytes = bytes, existed = #bytes > 0 }, buffer_mt)
  end
  return self.buffer
end

--- Waits for the whole body; nil when there is none, unless one is to be made.
function methods:body(always_wrap_body)
  local body = read(self)
  return (body.existed or always_wrap_body) and body or nil
end

--- An iterator over the body: over its chunks, as they come; over the whole as one, where it is at hand (an answer of
-- the gateway itself) or where the script did not show that it asks (see script.streams()).
function methods:bodyChunks()
  if self.streams then return chunks.iterator(self) end
  local done = false
  return function()
    if done then return nil end
    done = true
    local body = read(self)
    return body.existed and body or nil
  end
end

-- ---- the message --------------------------------------------------------------------------

function methods:headers()
  self.fields = self.fields or fields.head(self)
  return self.fields
end

--- Trailers, once the body has been read; nil when there are none.
function methods:trailers() return fields.trailers(self.ctx, self.side) end

--- Answers, and ends the script.
function methods:respond(headers, body)
  if self.head_is_out then error("respond() cannot be called if headers have been continued", 2) end
  if self.side ~= "request" then error("respond not currently supported in the response path", 2) end
  local status, rest = tonumber(headers[":status"]), {}
  if not status or status < 200 or status > 599 then error(":status must be between 200-599", 2) end
  for name, value in pairs(headers) do
    if name:sub(1, 1) ~= ":" and name:lower() ~= "content-length" then rest[name] = value end
  end
  body = body ~= nil and text(body, "respond") or nil
  self.ctx.details = "lua_response"
  stop(self, self.ctx:respond(status, body, rest))
end

function methods:httpCall(cluster, headers, body, timeout, asynchronous)
  body = body ~= nil and text(body, "httpCall") or nil
  return call.http(self.conf, cluster, headers, body, timeout, asynchronous)
end

-- ---- what is known ------------------------------------------------------------------------

function methods.metadata(_) return info.metadata() end
function methods:streamInfo() return info.stream(self.ctx) end
function methods:connection() return info.connection(self.ctx) end

for name, level in pairs { Trace = "debug", Debug = "debug", Info = "info", Warn = "warn", Err = "error",
                           Critical = "error" } do
  --- logTrace, logDebug, logInfo, logWarn, logErr, logCritical: a line of the process's log.
  methods["log" .. name] = function(self, line)
    log[level]("script log: " .. tostring(line), { request_id = self.ctx.request_id })
  end
end

function methods.base64Escape(_, bytes) return base64.encode(bytes) end

--- A public key, as DER; get() of it is nil for one that cannot be used.
function methods.importPublicKey(_, der, length) return signature.import(der:sub(1, length)) end

--- Whether `bytes` are the signature of the data: true, or false and why.
function methods:verifySignature(name, key, bytes, length, data, data_length)
  return signature.verify(self.ctx, name, key, bytes:sub(1, length), data:sub(1, data_length))
end

--- Milliseconds since 1970.
function methods.timestamp(_) return math.floor(time.now() * 1000) end

--- The same as text; in microseconds when that is asked for.
function methods.timestampString(_, resolution)
  return ("%d"):format(math.floor(time.now() * (resolution == 1 and 1e6 or 1e3)))
end

-- Whether the message has a body that comes in pieces.
local function has_body(ctx, side)
  if side == "request" then return ctx.req.has_body end
  return not ctx.local_reply and ctx.res.has_body
end

--- Runs a script's function for one message of a request; returns its answer, if it gave one.
-- @param side "request" or "response"
function handle.run(conf, ctx, side)
  local self = setmetatable({ conf = conf, ctx = ctx, side = side, answer = nil }, mt)
  self.streams = conf.streams[side] and has_body(ctx, side)
  local ok, err
  if self.streams then
    ok, err = pcall(chunks.begin, self, conf[side])
    ctx.own[side] = self
  else
    ok, err = pcall(conf[side], self)
  end
  if not ok and err ~= STOPPED then error(err, 0) end
  return self.answer
end

--- Lets the script of a message go on with a piece of its body; what goes on in its place.
function handle.push(ctx, side, bytes, last)
  local self = ctx.own[side]
  return self and chunks.push(self, bytes, last) or bytes
end

return handle
