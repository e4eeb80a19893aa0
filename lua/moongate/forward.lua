--- forward: from a route to a response: which backend, which endpoint, again or not.
-- The only place that decides where a request goes; C connects, sends and streams.
local abi = require "moongate.abi"
local chains = require "moongate.chain"
local failure = require "moongate.failure"
local grpc = require "moongate.grpc"
local key = require "moongate.balance.key"
local retry = require "moongate.retry"
local wait = require "moongate.wait"

local C, span = abi.C, abi.span
local ffi_string = abi.string
local yield = coroutine.yield
local OK, AGAIN, END, EGONE, EPHASE = C.MG_OK, C.MG_AGAIN, C.MG_END, C.MG_EGONE, C.MG_EPHASE
local ETIMEOUT, EFULL = C.MG_ETIMEOUT, C.MG_EFULL

local forward = {}

local function gone() error(wait.GONE, 0) end

-- Sends the request's body chunk by chunk through the policies that want it so: the route's (`body`, or false), then
-- those of the backend (`own`, or false).  True beside the outcome: one of them has answered.
local function pump(ctx, body, own)
  local x = ctx._x
  while true do
    local rc = C.mg_request_body_next(x, span)
    if rc == AGAIN then
      rc = yield()
      if rc < 0 then return rc end
    elseif rc == OK or rc == END then
      local bytes = rc == OK and ffi_string(span[0].ptr, span[0].len) or ""
      local answer
      if body then bytes, answer = body.run(ctx, bytes, rc == END) end
      if own and answer == nil then bytes, answer = own.run(ctx, bytes, rc == END) end
      if answer ~= nil then return OK, true end
      if #bytes > 0 then
        local sent = C.mg_upstream_send(x, bytes, #bytes)
        if sent == AGAIN then sent = yield() end
        if sent == EPHASE then return OK end -- the answer is there already
        if sent < 0 then return sent end
      end
      if rc == END then return C.mg_upstream_end(x) end
    else
      return rc
    end
  end
end

local function try_streaming(ctx, handle, timeout, body, own)
  local x = ctx._x
  local rc = C.mg_forward(x, handle, timeout, true)
  if rc == AGAIN then rc = yield() end
  local answered
  if rc == OK then rc, answered = pump(ctx, body, own) end
  if answered then return OK end
  if rc == OK or rc == EPHASE then
    rc = C.mg_upstream_wait(x)
    if rc == AGAIN then rc = yield() end
  end
  return rc
end

-- Functions that wait are left to the interpreter: a trace cannot pass a yield, and pieces of traces around one
-- cost more than none.  What they call between two waits compiles, so all work stands there; it ends in no tail call,
-- since a trace cannot return into a function that is not compiled.

-- Which endpoint next; the request is on its way, unless a streamed body needs more steps.
local function send(ctx, route, backend, tried, streams)
  local endpoint = backend.picker:pick(ctx, tried)
  if not endpoint then return nil end
  ctx._s.endpoint = endpoint
  if ctx._s.chain.try then ctx._s.chain.try(ctx) end
  if streams then return AGAIN end
  local rc = C.mg_forward(ctx._x, endpoint.handle, route.per_try_timeout, false)
  return rc
end

local function worth(ctx, plan, rc)
  return retry.worth(plan, rc, ctx._x.status, ctx.res.headers)
end

-- Where the service's limit of retries forbids one, its answer stays as it is, with the flag UO (Envoy).
local function may_retry(ctx, backend, plan, count, rc)
  if count > plan.attempts or not C.mg_replayable(ctx._x) or not worth(ctx, plan, rc) then
    return false
  end
  if not backend.breaker or C.mg_breaker_retry(backend.breaker, ctx._x) then return true end
  ctx:flag("UO")
  return false
end

-- The try before ended with `rc`: again while the plan allows it.  The first endpoint needs no list of the tried
-- ones, so the usual request makes none.
local function again(ctx, route, backend, rc, try)
  local plan, tried, count = route.plan, {}, 1
  while may_retry(ctx, backend, plan, count, rc) do
    if plan.avoids_tried then tried[ctx.endpoint] = true end
    if rc ~= ETIMEOUT and rc ~= EFULL then ctx:sleep(retry.back_off(plan, count)) end
    count = count + 1
    plan.on_retry:add(1)
    rc = try(ctx, route, backend, tried)
    if rc == nil or rc == EGONE then break end
  end
  if count > plan.attempts and (rc ~= OK or worth(ctx, plan, rc)) then ctx:flag("URX") end
  return rc, count > 1
end

-- Tells how a try ended to who judges endpoints by it.
local function report(ctx, backend, rc)
  local status = ctx._x.status
  if rc == OK and ctx._x.grpc and status == 200 then status = grpc.http_status(ctx.res.headers["grpc-status"]) end
  backend.health:report(ctx._s.endpoint, rc, status)
end

-- One try: its outcome, an MG_ code; nil: no endpoint.
local function try(ctx, route, backend, tried)
  local body, own = false, false
  if ctx._x.has_body then
    body, own = ctx._s.chain.request_body, backend.chain and chains.form(backend.chain, ctx).request_body
    if body and body.whole then body = false end
  end
  local streams = body or own
  local rc = send(ctx, route, backend, tried, streams)
  if streams and rc then
    rc = try_streaming(ctx, ctx.endpoint.handle, route.per_try_timeout, body, own)
  elseif rc == AGAIN then
    rc = yield()
  end
  if rc and backend.health then report(ctx, backend, rc) end
  if rc and ctx._s.chain.tried then ctx._s.chain.tried(ctx, rc ~= OK and abi.error_text(rc) or nil) end
  return rc
end

local function tries(ctx, route, backend)
  local rc, retried = try(ctx, route, backend, nil), false
  if route.plan and rc then rc, retried = again(ctx, route, backend, rc, try) end
  if rc == OK then
    local made = backend.made and key.cookie(ctx, backend.made)
    if made then ctx.res.headers:add("set-cookie", made) end
    return
  end
  if rc == nil then return failure.no_endpoint(ctx) end
  if rc == EGONE then gone() end
  failure.answer(ctx, rc, retried)
end

local function choose(ctx, route)
  local backend, shares = ctx._s.chosen or route.backend, route.shares
  if not backend and shares then backend = shares.backends[shares.split:pick()] end
  if not backend then return nil end
  ctx._s.backend = backend
  if route.timeout then C.mg_set_deadline(ctx._x, route.timeout) end
  if route.plan then C.mg_request_keep(ctx._x, route.plan.buffer, route.plan.counts_resets) end
  return backend
end

-- Outcomes of start() beside the core's.
local NO_BACKEND, NO_ENDPOINT = 1001, 1002

--- All that a plain route (see moongate.compiled) has to do before its only wait; returns an MG_ code or one that
-- fail() knows; nil: the backend wants more steps, which run() takes.
function forward.start(ctx, route)
  local backend = choose(ctx, route)
  if not backend then return NO_BACKEND end
  if backend.watched then
    ctx._s.chosen = backend
    return nil
  end
  local rc = send(ctx, route, backend, nil, nil)
  return rc or NO_ENDPOINT
end

--- Answers for a plain route whose only try ended with `rc`.
function forward.fail(ctx, rc)
  if rc == NO_BACKEND then return failure.no_backend(ctx) end
  if rc == NO_ENDPOINT then return failure.no_endpoint(ctx) end
  if rc == EGONE then gone() end
  failure.answer(ctx, rc, false)
end

--- Forwards by `route` (a compiled one); afterwards there is a response, the upstream's or a local one.
function forward.run(ctx, route)
  local backend = choose(ctx, route)
  if not backend then return failure.no_backend(ctx) end
  local chain = backend.chain
  if not chain then return tries(ctx, route, backend) end
  chain = chains.form(chain, ctx)
  local answer, entered = chain.request(ctx)
  if not answer then tries(ctx, route, backend) end
  chain.response(ctx, entered)
end

for _, waits in ipairs { pump, try_streaming, again, try, tries, forward.run } do jit.off(waits) end

return forward
