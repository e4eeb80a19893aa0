--- forward: from a route to a response: which backend, which endpoint, again or not.
-- The only place that decides where a request goes; C connects, sends and streams.
local abi = require "moongate.abi"
local ctx_module = require "moongate.ctx"
local failure = require "moongate.failure"
local retry = require "moongate.retry"

local C, span = abi.C, abi.span
local ffi_string = abi.string
local yield = coroutine.yield
local OK, AGAIN, END, EGONE, EPHASE = C.MG_OK, C.MG_AGAIN, C.MG_END, C.MG_EGONE, C.MG_EPHASE
local ETIMEOUT, EFULL = C.MG_ETIMEOUT, C.MG_EFULL

local forward = {}

local function gone() error(ctx_module.GONE, 0) end

-- Sends the request's body chunk by chunk through the policies that want it so.
local function pump(ctx, body)
  local x = ctx._x
  while true do
    local rc = C.mg_request_body_next(x, span)
    if rc == AGAIN then
      rc = yield()
      if rc < 0 then return rc end
    elseif rc == OK or rc == END then
      local bytes = rc == OK and ffi_string(span[0].ptr, span[0].len) or ""
      bytes = body.run(ctx, bytes, rc == END)
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

local function try_streaming(ctx, handle, timeout, body)
  local x = ctx._x
  local rc = C.mg_forward(x, handle, timeout, true)
  if rc == AGAIN then rc = yield() end
  if rc == OK then rc = pump(ctx, body) end
  if rc == OK or rc == EPHASE then
    rc = C.mg_upstream_wait(x)
    if rc == AGAIN then rc = yield() end
  end
  return rc
end

-- One try: its outcome, an MG_ code.
local function try(ctx, handle, route, body)
  if body then return try_streaming(ctx, handle, route.per_try_timeout or 0, body) end
  local rc = C.mg_forward(ctx._x, handle, route.per_try_timeout or 0, false)
  if rc == AGAIN then rc = yield() end
  return rc
end

local function may_retry(ctx, plan, tries, rc)
  return plan ~= nil and tries <= plan.attempts and C.mg_replayable(ctx._x)
    and retry.worth(plan, rc, ctx._x.status)
end

-- The first endpoint needs no list of the tried ones, so the usual request makes none.
local function tries(ctx, route, backend, body)
  local plan, tried, count = route.plan, nil, 1
  while true do
    local endpoint = backend.picker:pick(ctx, tried)
    if not endpoint then return failure.no_endpoint(ctx) end
    ctx.endpoint = endpoint
    local rc = try(ctx, endpoint.handle, route, body)
    if rc == EGONE then gone() end
    if not may_retry(ctx, plan, count, rc) then
      if rc ~= OK then return failure.answer(ctx, rc, count > 1) end
      if plan and count > plan.attempts and retry.worth(plan, rc, ctx._x.status) then ctx:flag("URX") end
      return nil
    end
    tried = tried or {}
    tried[endpoint] = true
    if rc ~= ETIMEOUT and rc ~= EFULL then ctx:sleep(retry.back_off(plan, count)) end
    count = count + 1
    if route.on_retry then route.on_retry:add(1) end
  end
end

--- Forwards by `route` (a compiled one); afterwards there is a response, the upstream's or a local one.
function forward.run(ctx, route)
  local backend = ctx._chosen or route:choose()
  if not backend then return failure.no_backend(ctx) end
  ctx.backend = backend
  local chain, entered = backend.chain, 0
  if chain then
    local answer
    answer, entered = chain.request(ctx)
    if answer then
      chain.response(ctx, entered)
      return
    end
  end
  if route.timeout then C.mg_set_deadline(ctx._x, route.timeout) end
  if route.plan then C.mg_request_keep(ctx._x, route.plan.buffer) end
  local body = route.chain.request_body
  tries(ctx, route, backend, body and not body.whole and ctx._x.has_body and body or nil)
  if chain then chain.response(ctx, entered) end
end

return forward
