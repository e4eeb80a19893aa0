--- runtime: one request from its head to its log line; everything that is a choice happens here, in this order.
local abi = require "moongate.abi"
local budget = require "moongate.budget"
local chains = require "moongate.chain"
local context = require "moongate.ctx"
local cost = require "moongate.cost"
local failure = require "moongate.failure"
local forward = require "moongate.forward"
local time = require "moongate.time"
local timer = require "moongate.timer"
local wait = require "moongate.wait"

local C, span = abi.C, abi.span
local ffi_string = abi.string
local yield, xpcall = coroutine.yield, xpcall
local OK, AGAIN, END, EGONE, ELIMIT = C.MG_OK, C.MG_AGAIN, C.MG_END, C.MG_EGONE, C.MG_ELIMIT
local GONE = wait.GONE

local runtime = {}

-- The compiled model that new requests begin with; swapped whole by a reload.
local current

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
  if answer ~= nil then
    cost.decided(ctx._s.chain.names[ctx._s.i], "request_body", ctx)
    return answer
  end
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

-- What the gateway itself answers carries a date (RFC 9110, 6.6.1) and its name.
local function sign(ctx)
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
        sign(ctx)
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

local function has_response_body(x)
  return x.method_id ~= C.MG_METHOD_HEAD and x.status ~= 204 and x.status ~= 304 and x.status ~= 101
end

-- ---- one request --------------------------------------------------------------------------

-- The functions that wait are not compiled (see forward.lua); enter, leave and log are what they call.

local function enter(ctx)
  context.begin(ctx, current)
  cost.draw(ctx)
  local state, model = ctx._s, current
  if model.explaining then -- somebody may ask why: see moongate.explain.live
    model = model.explaining(ctx)
    state.model = model
  end
  state.chain = model.no_route_chain -- should there be an error before there is a route
  if model.normalizers and not model:normalize(ctx) then return failure.bad_path(ctx), 0 end
  local route, early = model:match(ctx)
  if early ~= nil then return early, 0 end
  local chain = chains.form(route and route.chain or model.no_route_chain, ctx)
  state.route, state.chain, state.phase = route or false, chain, "request"
  local answer, entered = chain.request(ctx)
  return answer, entered
end

-- The response policies, and the response on its way; nil: policies want its body.
local function leave(ctx, entered)
  local chain = ctx._s.chain
  ctx._s.phase = "response"
  chain.response(ctx, entered)
  if chain.response_body and has_response_body(ctx._x) then return nil end
  if ctx._s.is_local then sign(ctx) end
  local rc = C.mg_reply(ctx._x, false)
  return rc
end

local function reply_with_body(ctx, body)
  if body.whole then whole_response_body(ctx, body) end
  if ctx._s.is_local then sign(ctx) end
  if body.whole or ctx._s.is_local then return await(C.mg_reply(ctx._x, false)) end
  return stream_response(ctx, body)
end

-- The upstream failed after its head had come and before ours went out: the client still gets an answer.
local function answer_broken(ctx, rc)
  if rc == EGONE or ctx._x.response_started then return rc end
  failure.answer(ctx, rc, false)
  sign(ctx)
  return await(C.mg_reply(ctx._x, false))
end

-- As far as the first wait of an ordinary request: the outcome of forward.start(), or nil, the answer of a policy (if
-- any), and how far the chain was entered.
local function start(ctx)
  local answer, entered = enter(ctx)
  local route = ctx._s.route
  if answer ~= nil or not route or not route.plain then return nil, answer, entered end
  local rc = forward.start(ctx, route)
  return rc, nil, entered
end

-- What start() left to be decided: whole bodies, retries, backends with policies, no route.
local function continue(ctx, answer)
  local chain, route = ctx._s.chain, ctx._s.route
  local body = chain.request_body
  if answer == nil and body and body.whole and ctx._x.has_body then answer = whole_request_body(ctx, body) end
  if answer ~= nil then return end
  if route then forward.run(ctx, route) else failure.no_route(ctx) end
end

local function serve(ctx)
  local rc, answer, entered = start(ctx)
  if rc == AGAIN then rc = yield() end
  if rc == nil then
    continue(ctx, answer)
  elseif rc ~= OK then
    forward.fail(ctx, rc)
  end
  rc = leave(ctx, entered)
  if rc == AGAIN then
    rc = yield()
  elseif rc == nil then
    rc = reply_with_body(ctx, ctx._s.chain.response_body)
  end
  if rc ~= OK then rc = answer_broken(ctx, rc) end
  if rc ~= OK then failure.cut(ctx, rc) end
end

-- Not a tail call: a trace cannot return into xpcall.
local function log_phases(ctx, from)
  ctx._s.phase = "log"
  ctx._s.chain.log(ctx, from)
  return true
end

-- ---- errors -------------------------------------------------------------------------------

-- A log policy that raises does not keep the others from logging.
local function log_all(ctx)
  local from = 1
  ctx._s.phase = "log"
  repeat
    local ok, err = xpcall(log_phases, budget.traceback, ctx, from)
    if not ok then
      budget.blame(ctx, err)
      from = math.max(ctx._s.i, from) + 1
    end
  until ok or from > #ctx._s.chain.names
end

-- A request whose policies failed never passes: 500, or a visible cut when the head is gone.
local function fail(ctx, err)
  if err == GONE then return failure.cut(ctx, EGONE) end
  budget.blame(ctx, err)
  if ctx._x.response_started or ctx._x.gone then return failure.cut(ctx, EGONE) end
  failure.policy_error(ctx)
  sign(ctx)
  local rc = C.mg_reply(ctx._x, false)
  if rc == AGAIN then rc = yield() end
  if rc ~= OK then failure.cut(ctx, rc) end
end

local function request(ctx)
  local ok, err = xpcall(serve, budget.traceback, ctx)
  if not ok then fail(ctx, err) end
  if ctx._s.chain.log then log_all(ctx) end
  if ctx._s.model ~= current then context.clear(ctx) end -- an idle lane must not keep an old model
end

local function run_timer(ctx, id)
  local state = ctx._s
  context.begin(ctx, current)
  state.phase, state.owner = "timer", timer.owner(id)
  local err = timer.run(id)
  if err then budget.blame(ctx, err) end
  state.phase, state.owner = "request", false
  context.clear(ctx)
end

--- The function of a lane's coroutine (core/script/lane.h has the protocol): `ptr` is its exchange, for good.
function runtime.lane(ptr, id)
  local ctx = context.new(abi.cast("mg_exchange *", ptr))
  context.register(ctx)
  while true do
    if id == 0 then
      request(ctx)
    else
      run_timer(ctx, id)
    end
    id = yield(ptr)
  end
end

for _, waits in ipairs {
  await, whole_request_body, whole_response_body, stream_response, reply_with_body, answer_broken, continue, serve,
  log_phases, log_all, fail, request, run_timer, runtime.lane,
} do jit.off(waits) end

--- Makes `model` (moongate.compiled) the one that new requests begin with; returns the one before.
function runtime.swap(model)
  local old = current
  current = model
  context.clear_idle()
  return old
end

--- The model that new requests begin with.
function runtime.model()
  return current
end

return runtime
