--- chunks: scripts that go through a body as it comes, by bodyChunks() of Envoy's handle.
-- Such a script runs in a coroutine.  It stops where it asks for a chunk; the head of the message goes on, and the body
-- phase lets the script go on with each chunk, which then goes on as the script has left it.
local text = require "policies.envoy_lua.text"

local chunks = {}

local NEXT = {} -- what a script yields that asks for a chunk

local chunk = {}
local chunk_mt = { __index = chunk, __metatable = false }

function chunk.length(self) return #self.bytes end

--- Another content; its length.
function chunk.setBytes(self, bytes)
  if self.gone then error("setBytes: the chunk has gone on", 2) end
  self.bytes = text(bytes, "setBytes")
  return #self.bytes
end

--- Lets chunks be read as other bodies are.
function chunks.setup(get_bytes) chunk.getBytes = get_bytes end

-- Until the script asks for a chunk, or ends.
local function resume(self, ...)
  local ok, what = coroutine.resume(self.script, ...)
  if not ok then error(what, 0) end
  if coroutine.status(self.script) == "dead" then
    self.script = nil
  elseif what ~= NEXT then
    error("script performed an unexpected yield", 0)
  end
end

--- Begins with a script that may ask for chunks.
-- @param self the handle; afterwards self.script is the coroutine, nil: the script has ended
function chunks.begin(self, run)
  self.script = coroutine.create(run)
  resume(self, self)
  self.head_is_out = self.script ~= nil
end

--- What bodyChunks() gives.
function chunks.iterator(self)
  if self.buffer then error("bodyChunks: the body has been read", 2) end
  return function()
    if self.ended then return nil end
    return coroutine.yield(NEXT)
  end
end

-- The body has ended: a script may still change its last chunk, if nothing of that has gone on yet.
local function finish(self)
  self.ended = true
  if self.script then resume(self, nil) end
  if self.script then error("bodyChunks: asked for more than there is", 0) end
end

--- A piece of the body: what goes on in its place.
-- @param last whether it is the last one; it may be empty then
function chunks.push(self, bytes, last)
  if self.ended then error("bodyChunks: the body comes again, for another try", 0) end
  local current = self.chunk
  if bytes ~= "" and self.script then
    if current then current.gone = true end
    current = setmetatable({ bytes = bytes, sent = false }, chunk_mt)
    self.chunk = current
    resume(self, current)
    bytes = ""
  end
  if last then finish(self) end
  if not current or current.bytes == current.sent then return bytes end
  if current.sent and current.sent ~= "" then error("setBytes: the chunk has gone on", 0) end
  current.sent = current.bytes
  return current.bytes .. bytes
end

return chunks
