--- bodies: how policies look at bodies in the phases request and response: functions of ctx.
local abi = require "moongate.abi"
local wait = require "moongate.wait"

local C, span, text = abi.C, abi.span, abi.text

local bodies = {}

local longest = math.huge -- bytes of one string

--- Says how long one string of a policy may be (see moongate.bounded).
function bodies.allow(bytes) longest = bytes end

-- As many as are asked for, or as one string may have.
local function check_bytes(bytes, what)
  local known = type(bytes) == "number" and bytes >= 0 and bytes < 2 ^ 32 - 1
  if not known then error(("%s: expected a number of bytes, got %s"):format(what, tostring(bytes)), 3) end
  return math.min(bytes, longest)
end

--- Waits for the first `bytes` bytes of the request's body, which stay part of it, before the request is sent: these
-- (all of a shorter body; no more than one string may have), and whether that is all of it.
function bodies.peek(ctx, bytes)
  bytes = check_bytes(bytes, "ctx:peek_body")
  wait.await(C.mg_request_body_peek(ctx._x, bytes + 1), "ctx:peek_body") -- one more tells whether there is more
  local whole = C.mg_request_body(ctx._x, span) == 0 and span[0].len <= bytes
  span[0].len = math.min(tonumber(span[0].len), bytes)
  return text(span[0]), whole
end

-- By phase: how the body of its message is looked at, read and replaced.
local OPS = {
  request = {
    peek = function(x, enough) return C.mg_request_body_peek(x, enough) end,
    get = function(x) return C.mg_request_body(x, span) end,
    set = function(x, bytes) return C.mg_request_body_set(x, bytes, #bytes) end,
  },
  response = {
    peek = function(x, enough) return C.mg_response_body_peek(x, enough) end,
    get = function(x) return C.mg_response_body(x, span) end,
    set = function(x, bytes) return C.mg_response_body_set(x, bytes, #bytes) end,
  },
}

local function ops(ctx, what)
  return OPS[ctx._s.phase] or error(what .. ": only in the phases request and response", 3)
end

--- Waits for the whole body of the message that the phase is about, which stays part of it: its text; nil when it is
-- longer than `limit` bytes, or than one string may be.
function bodies.read(ctx, limit)
  local op = ops(ctx, "ctx:read_body")
  limit = check_bytes(limit, "ctx:read_body")
  wait.await(op.peek(ctx._x, limit + 1), "ctx:read_body")
  local whole = op.get(ctx._x) == 0 and span[0].len <= limit
  return whole and text(span[0]) or nil
end

--- Puts `bytes` in place of the body of the message that the phase is about; its trailers go, too.
function bodies.replace(ctx, bytes)
  if type(bytes) ~= "string" then error("ctx:replace_body: expected a string, got " .. type(bytes), 2) end
  local rc = ops(ctx, "ctx:replace_body").set(ctx._x, bytes)
  if rc ~= 0 then error("ctx:replace_body: " .. abi.error_text(rc), 2) end
end

return bodies
