--- explain: runs requests as the runtime does and writes down what decided.
-- It is the same router, chain and forward: the model is compiled a second time beside itself, from uses of policies
-- that write down what they do. Requests that nobody asks about go through the first form, and pay nothing.
local compiled = require "moongate.compiled"
local face = require "moongate.face"
local router_explain = require "moongate.router.explain"
local steps = require "moongate.explain.steps"
local units = require "moongate.units"

local explain = {}

local records = setmetatable({}, { __mode = "k" }) -- of the request that a ctx is about

-- ---- what stands before the policies ------------------------------------------------------

local function begin(ctx, options)
  local req, listener = ctx.req, ctx.listener
  local record = {
    listener = { name = listener.name, address = listener.address, at = listener.at },
    request = { method = req.method, authority = req.authority, path = req.path, query = req.query,
      scheme = req.scheme, principal = ctx.peer.principal, source_ip = ctx.peer.address,
      client_address = ctx.client_address },
    routes = {}, steps = {},
  }
  records[ctx] = record
  if options.on_begin then options.on_begin(record, ctx) end
  return record
end

local function shares_of(route)
  local list, sum = {}, 0
  for _, backend in ipairs(route.backends or {}) do sum = sum + backend.weight end
  for i, backend in ipairs(route.backends or {}) do
    list[i] = { service = backend.service, subset = backend.subset, weight = backend.weight, of = sum, at = backend.at }
  end
  return list
end

local function duration(ms)
  return ms and ms > 0 and units.show_duration(ms) or nil
end

local function limits_of(route)
  local retries = route.plan and route.retries
  return {
    timeout = duration(route.timeout), per_try_timeout = duration(route.per_try_timeout),
    retries = retries and { attempts = retries.attempts, on = retries.on, back_off = duration(retries.back_off),
      max_back_off = duration(retries.max_back_off) } or nil,
  }
end

local function routed(ctx, record, route, self, most)
  local req = self.admissions and compiled.seen(ctx) or ctx.req
  record.routes, record.more_routes = router_explain.candidates(ctx.listener, self.routes, req, route, most)
  if not route then return end
  record.route = { name = route.name, at = route.at }
  record.shares, record.limits = shares_of(route), limits_of(route)
end

-- ---- what stands after them ---------------------------------------------------------------

local function address_list(backend)
  local list = {}
  for i, endpoint in ipairs(backend.picker.endpoints) do list[i] = endpoint.address end
  return list
end

--- The record of a request whose policies are through.
local function finish(ctx)
  local record = records[ctx]
  local backend, endpoint = ctx.backend, ctx.endpoint
  if backend then
    record.backend = { service = backend.service, subset = backend.subset, chosen_by = record.chosen_by,
      endpoints = address_list(backend) }
  end
  if endpoint then record.endpoint = { address = endpoint.address, at = endpoint.at } end
  record.answer = { status = ctx.res.status, details = ctx.details, flags = ctx:flags_text(),
    is_local = ctx._s.is_local }
  return record
end

-- ---- the second form ----------------------------------------------------------------------

local function record_of(ctx)
  return records[ctx] or { steps = {} }
end

-- Stands around all other policies, so it sees the response last.
local function observer(options)
  local policy = { schema = {}, body = { request = "none", response = "none" } }
  function policy.log(_, held) finish(face.behind(held)) end
  if options.on_response then
    function policy.response(_, held)
      local ctx = face.behind(held)
      options.on_response(finish(ctx), ctx)
    end
  end
  return { name = "explain", conf = {}, policy = policy }
end

-- Wraps each use once, so that routes that share uses go on sharing their chains: an array of uses to one of others.
local function wrapper(prepared, known)
  local others = {}
  local function other_of(use)
    local other = others[use]
    if not other then
      other = { name = use.name, at = use.at, conf = use.conf, cpu_budget = use.cpu_budget }
      other.policy = steps.wrap(use, record_of)
      prepared[other] = { policy = other.policy, prepared = known[use].prepared, guards = known[use].guards,
        body = known[use].body }
      others[use] = other
    end
    return other
  end
  return function(uses, first)
    local list = { first }
    for _, use in ipairs(uses or {}) do list[#list + 1] = other_of(use) end
    return list
  end
end

local function copy(source, changes)
  return setmetatable(changes, { __index = source })
end

local function traced_model(model, wrap, first)
  local routes = {}
  for i, route in ipairs(model.routes) do
    local backends = {}
    for j, backend in ipairs(route.backends) do backends[j] = copy(backend, { policies = wrap(backend.policies) }) end
    routes[i] = copy(route, { policies = wrap(route.policies), backends = backends })
  end
  return copy(model, { policies = wrap(model.policies, first), routes = routes })
end

--- The form of a compiled model (moongate.compiled) in which every request is written down.
-- @param options { most = candidates that are described, on_begin = function(record, ctx), on_response =
--   function(record, ctx) before the response's head goes out }
-- @return what runtime.swap() takes
function explain.beside(base, options)
  local prepared = {}
  local model = traced_model(base.source, wrapper(prepared, base.prepared), observer(options))
  local self = compiled.beside(base, model, prepared)
  self.normalizers = true -- so that normalize() is where each request begins
  function self.normalize(_, ctx)
    local record = begin(ctx, options)
    local before = ctx.req.path
    if base.normalizers and not base:normalize(ctx) then return false end
    if ctx.req.path ~= before then record.normalized = { from = before, to = ctx.req.path } end
    return true
  end
  local match = self.match
  function self.match(_, ctx)
    local route, answer = match(self, ctx)
    if answer == nil then routed(ctx, records[ctx], route, self, options.most) end
    return route, answer
  end
  return self
end

--- Writes down, in the step that runs, something that would have happened.
function explain.note(ctx, text)
  local record = ctx and records[ctx]
  local step = record and record.steps[#record.steps]
  if step then step.did[#step.did + 1] = text end
end

--- The record of the request that `ctx` is about.
function explain.record(ctx) return records[ctx] end

return explain
