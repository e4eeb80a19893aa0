--- reply: a response on its way to the client, through the policies that read its body.
local abi = require "moongate.abi"
local failure = require "moongate.failure"
local time = require "moongate.time"
local wait = require "moongate.wait"

local C, span = abi.C, abi.span
local ffi_string = abi.string
local yield = coroutine.yield
local OK, AGAIN, END, EGONE, ELIMIT = C.MG_OK, C.MG_AGAIN, C.MG_END, C.MG_EGONE, C.MG_ELIMIT
local GONE = wait.GONE

local reply = {}

--- What a call of the core came to, once it is known: MG_AGAIN is waited for.
function reply.await(rc)
  if rc == AGAIN then return yield() end
  return rc
end

local await = reply.await

local function whole_response_body(ctx, body)
  local x = ctx._x
  local rc = await(C.mg_response_body_wait(x, body.limit))
  if rc == ELIMIT then return failure.response_too_large(ctx) end
  if rc == EGONE then error(GONE, 0) end
  if rc ~= OK then return failure.answer(ctx, rc, false) end
  C.mg_response_body(x, span)
  local bytes = abi.text(span[0])
  local new = body.run(ctx, bytes, true)
  if new ~= bytes then C.mg_response_body_set(x, new, #new) end
end

--- What the gateway itself answers carries a date (RFC 9110, 6.6.1) and its name.
function reply.sign(ctx)
  local headers = ctx.res.headers
  headers:set("date", time.http_date_now())
  headers:set("server", "moongate")
end

-- Streams the response through the policies that want it chunk by chunk.  With body.hold its head waits for the first
-- bytes that they let go on; until then one may answer in its place.
local function stream_response(ctx, body)
  local x = ctx._x
  local held = body.hold
  local rc = held and OK or C.mg_reply(x, true)
  while rc == OK do
    rc = C.mg_response_body_next(x, span)
    if rc == AGAIN then
      rc = yield()
    elseif rc == OK or rc == END then
      local last = rc == END
      local bytes = body.run(ctx, last and "" or ffi_string(span[0].ptr, span[0].len), last)
      if held and ctx._s.is_local then
        reply.sign(ctx)
        return await(C.mg_reply(x, false))
      end
      rc = OK
      if held and (last or #bytes > 0) then
        held, rc = false, C.mg_reply(x, true)
      end
      if rc == OK and #bytes > 0 then rc = await(C.mg_reply_send(x, bytes, #bytes)) end
      if last then return rc == OK and C.mg_reply_end(x) or rc end
    end
  end
  return rc
end

--- Sends the response through the policies of `body` (see moongate.chain), which wait for it.
-- @return MG_OK, or what went wrong
function reply.with_body(ctx, body)
  if body.whole then whole_response_body(ctx, body) end
  if ctx._s.is_local then reply.sign(ctx) end
  if body.whole or ctx._s.is_local then return await(C.mg_reply(ctx._x, false)) end
  return stream_response(ctx, body)
end

for _, waits in ipairs { await, whole_response_body, stream_response, reply.with_body } do jit.off(waits) end

return reply
