--- runtime: one request from its head to its log line; everything that is a choice happens here, in this order.
local abi = require "moongate.abi"
local context = require "moongate.ctx"
local failure = require "moongate.failure"
local forward = require "moongate.forward"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local time = require "moongate.time"
local timer = require "moongate.timer"

local C, span = abi.C, abi.span
local ffi_string = abi.string
local yield = coroutine.yield
local OK, AGAIN, END, EGONE, ELIMIT = C.MG_OK, C.MG_AGAIN, C.MG_END, C.MG_EGONE, C.MG_ELIMIT
local GONE = context.GONE

local runtime = {}

-- The compiled model that new requests begin with; swapped whole by a reload.
local current

local policy_errors = metrics.counter {
  name = "moongate_policy_errors_total", labels = { "policy", "phase" },
  help = "Errors raised by policies; each such request was answered 500 or cut.",
}

-- ---- bodies -------------------------------------------------------------------------------

local function await(rc)
  if rc == AGAIN then return yield() end
  return rc
end

-- Request policies that read the whole body.  An answer stops as it does in the request phase.
local function whole_request_body(ctx, body)
  local x = ctx._x
  local rc = await(C.mg_request_body_wait(x, body.limit))
  if rc == ELIMIT then return failure.request_too_large(ctx) end
  if rc ~= OK then error(GONE, 0) end
  C.mg_request_body(x, span)
  local bytes = abi.text(span[0])
  local new, answer = body.run(ctx, bytes, true)
  if answer ~= nil then return answer end
  if new ~= bytes then C.mg_request_body_set(x, new, #new) end
end

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

-- Streams the response through the policies that want it chunk by chunk.
local function stream_response(ctx, body)
  local x = ctx._x
  local rc = C.mg_reply(x, true)
  while rc == OK do
    rc = C.mg_response_body_next(x, span)
    if rc == AGAIN then
      rc = yield()
    elseif rc == OK or rc == END then
      local bytes = body.run(ctx, rc == OK and ffi_string(span[0].ptr, span[0].len) or "", rc == END)
      local sent = OK
      if #bytes > 0 then sent = await(C.mg_reply_send(x, bytes, #bytes)) end
      if rc == END then return sent == OK and C.mg_reply_end(x) or sent end
      rc = sent
    end
  end
  return rc
end

local function has_response_body(x)
  return x.method_id ~= C.MG_METHOD_HEAD and x.status ~= 204 and x.status ~= 304 and x.status ~= 101
end

-- ---- one request --------------------------------------------------------------------------

-- What the gateway itself answers carries a date (RFC 9110, 6.6.1) and its name.
local function sign(ctx)
  local headers = ctx.res.headers
  headers:set("date", time.http_date_now())
  headers:set("server", "moongate")
end

local function reply(ctx, chain)
  local x = ctx._x
  local body = chain.response_body
  if body and not has_response_body(x) then body = nil end
  if body and body.whole then whole_response_body(ctx, body) end
  if ctx._local then sign(ctx) end
  local rc
  if body and not body.whole and not ctx._local then
    rc = stream_response(ctx, body)
  else
    rc = C.mg_reply(x, false)
    if rc == AGAIN then rc = yield() end
  end
  if rc ~= OK then failure.cut(ctx, rc) end
end

local function serve(ctx)
  local x, model = ctx._x, ctx._model
  local route = model:match(ctx)
  local chain = route and route.chain or model.no_route_chain
  ctx.route, ctx._chain = route, chain
  local answer, entered = chain.request(ctx)
  local body = chain.request_body
  if answer == nil and body and body.whole and x.has_body then answer = whole_request_body(ctx, body) end
  if answer == nil then
    if route then forward.run(ctx, route) else failure.no_route(ctx) end
  end
  chain.response(ctx, entered)
  reply(ctx, chain)
end

-- ---- errors -------------------------------------------------------------------------------

local function traceback(err)
  if err == GONE then return err end
  return debug.traceback(tostring(err), 2)
end

local function blame(ctx, phase, err)
  local chain = ctx._chain
  local policy = chain and chain.names[ctx._i] or "moongate"
  policy_errors:with(policy, phase):add(1)
  log.error("a policy raised", { policy = policy, phase = phase, request_id = ctx.request_id, error = err })
end

-- A request whose policies failed never passes: 500, or a visible cut when the head is gone.
local function fail(ctx, err)
  if err == GONE then return failure.cut(ctx, EGONE) end
  blame(ctx, "serve", err)
  if ctx._x.response_started or ctx._x.gone then return failure.cut(ctx, EGONE) end
  failure.policy_error(ctx)
  sign(ctx)
  local rc = C.mg_reply(ctx._x, false)
  if rc == AGAIN then rc = yield() end
  if rc ~= OK then failure.cut(ctx, rc) end
end

local function request(ctx)
  context.begin(ctx, current)
  local ok, err = xpcall(serve, traceback, ctx)
  if not ok then fail(ctx, err) end
  C.mg_measure(ctx._x)
  ok, err = xpcall(ctx._chain.log, traceback, ctx)
  if not ok then blame(ctx, "log", err) end
end

--- The function of a lane's coroutine (core/script/lane.h has the protocol): `ptr` is its exchange, for good.
function runtime.lane(ptr, id)
  local ctx = context.new(abi.cast("mg_exchange *", ptr))
  context.register(ctx)
  while true do
    if id == 0 then
      request(ctx)
    else
      context.begin(ctx, current)
      timer.run(id)
    end
    id = yield(true)
  end
end

--- Makes `model` (moongate.compiled) the one that new requests begin with; returns the one before.
function runtime.swap(model)
  local old = current
  current = model
  return old
end

--- The model that new requests begin with.
function runtime.model()
  return current
end

return runtime
