--- runtime: one request from its head to its log line; everything that is a choice happens here, in this order.
local abi = require "moongate.abi"
local budget = require "moongate.budget"
local chains = require "moongate.chain"
local context = require "moongate.ctx"
local cost = require "moongate.cost"
local failure = require "moongate.failure"
local forward = require "moongate.forward"
local message = require "moongate.message"
local reply = require "moongate.reply"
local timer = require "moongate.timer"
local wait = require "moongate.wait"

local C, span = abi.C, abi.span
local yield, xpcall = coroutine.yield, xpcall
local OK, AGAIN, EGONE, ELIMIT = C.MG_OK, C.MG_AGAIN, C.MG_EGONE, C.MG_ELIMIT
local GONE = wait.GONE
local await, has_body, sign = reply.await, message.has_body, reply.sign

local runtime = {}

-- The compiled model that new requests begin with; swapped whole by a reload.
local current

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
  if chain.response_body and has_body(ctx._x) then return nil end
  if ctx._s.is_local then sign(ctx) end
  local rc = C.mg_reply(ctx._x, false)
  return rc
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
    rc = reply.with_body(ctx, ctx._s.chain.response_body)
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
  whole_request_body, answer_broken, continue, serve, log_phases, log_all, fail, request, run_timer, runtime.lane,
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
