--- compiled: a checked model made ready to serve: chains made, policies prepared, endpoints opened, routes indexed.
-- Built beside the running one by a reload.  What it opened in C goes back when it is collected, so requests in flight
-- may finish on it.  A large one is built with pauses (moongate.pause).
local abi = require "moongate.abi"
local balance = require "moongate.balance"
local chain = require "moongate.chain"
local metrics = require "moongate.metrics"
local normalize = require "moongate.normalize"
local pause = require "moongate.pause"
local retry = require "moongate.retry"
local router = require "moongate.router"
local upstreams = require "moongate.upstreams"
local verified = require "moongate.verified"

local C = abi.C

local compiled = {}
local methods = {}
local mt = { __index = methods }

local function concat(a, b)
  local all = {}
  for _, use in ipairs(a) do all[#all + 1] = use end
  for _, use in ipairs(b or {}) do all[#all + 1] = use end
  return all
end

-- ---- services -----------------------------------------------------------------------------

--- The backend for a service and subset (nil: all of it), or nil and why there is none; the same one each time.
function methods:backend(service, subset)
  local key = service .. "\0" .. (subset or "")
  local known = self.backends[key]
  if known then return known end
  local balancer = self.balancers[service]
  if not balancer then return nil, ("no service '%s'"):format(tostring(service)) end
  local picker = balancer:picker(subset)
  if not picker then return nil, ("service '%s' has no subset '%s'"):format(service, tostring(subset)) end
  known = { service = service, subset = subset, picker = picker, health = self.health[service] or false,
    breaker = self.breakers[service] or false, made = picker.made or false,
      tls = self.source.services[service].tls and true or false }
  known.watched = known.health and true or known.made and true or false
  self.backends[key] = known
  return known
end

-- ---- routes -------------------------------------------------------------------------------

local INSIDE = 1000 -- more than a route has policies: a backend's have their notes apart from those

-- Those with the same uses of policies share a chain, which is found step by step in a tree of uses.
local function chain_of(tree, uses, own, prepared, offset)
  for _, use in ipairs(own) do
    tree[use] = tree[use] or {}
    tree = tree[use]
  end
  tree.chain = tree.chain or chain.new(concat(uses, own), prepared, offset)
  return tree.chain
end

local function route_backend(self, backend)
  local plain = assert(self:backend(backend.service, backend.subset))
  if not backend.policies or #backend.policies == 0 then return plain end
  local own = { chain = chain_of(self.backend_chains, {}, backend.policies, self.prepared, INSIDE) }
  for name, value in pairs(plain) do own[name] = value end
  return own
end

local function compile_backends(self, source)
  local ready = {}
  for i, backend in ipairs(source.backends or {}) do ready[i] = route_backend(self, backend) end
  return ready
end

-- A plain route takes the short way through moongate.runtime: one try, one wait, no body in Lua.
local function is_plain(own, plan, backends)
  for _, backend in ipairs(backends) do
    if backend.chain then return false end
  end
  return not plan and not own.request_body and not own.try and not own.tried
end

local function plan_of(self, source)
  local plan = retry.new(source.retries)
  if plan then plan.on_retry = self.retries:with(source.name or "") end
  return plan or false
end

-- Fields that may be absent are false or 0: an absent one would be looked for in `source` again and again.  Eight of
-- them, and no more: with thousands of routes a larger table is more cache misses a request.
local function compile_route(self, source, policies)
  local plan, backends = plan_of(self, source), compile_backends(self, source)
  local own = chain_of(self.chains, policies, source.policies or {}, self.prepared)
  return setmetatable({
    name = source.name, chain = own, plan = plan, plain = is_plain(own, plan, backends),
    timeout = source.timeout or false, per_try_timeout = source.per_try_timeout or 0,
    backend = #backends == 1 and backends[1],
    shares = #backends > 1 and { split = balance.split(source.backends), backends = backends },
  }, { __index = source })
end

-- The functions that bring paths into one spelling, by the core's index of the listener; false: no listener asks.
local function normalizers_of(listeners)
  local map, some = {}, false
  for i, listener in ipairs(listeners) do
    map[i - 1] = normalize.by_mode(listener.path_normalization) or false
    some = some or map[i - 1] ~= false
  end
  return some and map
end

-- ---- before there is a route --------------------------------------------------------------

-- The chains of listeners that have policies of their own, by the core's index of the listener; nil: none has.
local function admissions_of(self, listeners)
  local map
  for i, listener in ipairs(listeners) do
    if #(listener.policies or {}) > 0 then
      map = map or {}
      map[i - 1] = chain.new(listener.policies, self.prepared)
    end
  end
  return map
end

--- The request as the router sees it: with the token that policy jwt verified.
function compiled.seen(ctx)
  return setmetatable({ token = verified.get(ctx) }, { __index = ctx.req })
end

-- match() of a model in which some listener has policies of its own: these may answer before there is a route.
local function match_admitted(self, ctx)
  local admission = self.admissions[ctx._x.listener]
  if not admission then
    local route = self.router:match(ctx._x.listener, ctx.req)
    return route
  end
  local answer = chain.form(admission, ctx).request(ctx)
  local state = ctx._s
  if state.noted then state.owns, state.noted = {}, false end -- the route's policies count from the first again
  if answer ~= nil then return nil, answer end
  local route = self.router:match(ctx._x.listener, compiled.seen(ctx))
  return route
end

-- ---- the whole ----------------------------------------------------------------------------

local function compile_routes(self, model)
  self.no_route_chain = chain_of(self.chains, model.policies, {}, self.prepared)
  local routes = {}
  for i, source in ipairs(model.routes) do
    routes[i] = compile_route(self, source, model.policies)
    pause.here()
  end
  self.routes = routes
  self.router = router.new { listeners = model.listeners, routes = routes }
  self.admissions = self.admissions or admissions_of(self, model.listeners)
  if self.admissions then self.match = match_admitted end
  return self
end

--- The compiled form of `model`, or raises "file:line: why" where something cannot be opened.
-- @param before the one that it will replace, or nil: what is known of endpoints lives on
function compiled.new(model, before)
  local self = setmetatable({
    listeners = model.listeners, normalizers = normalizers_of(model.listeners),
    tls = {}, balancers = {}, health = {}, breakers = {},
    backends = {}, prepared = {}, chains = {}, backend_chains = {},
    source = model, explaining = false,
    retries = metrics.counter { name = "moongate_upstream_retries_total", labels = { "route" },
      help = "Tries beyond the first, by route." },
  }, mt)
  upstreams.open(self, model, before)
  return compile_routes(self, model)
end

--- Another form of the same model, with other uses of policies but the same services and shares: for moongate.explain.
-- @param model the model with the other uses; @param prepared use → { policy =, prepared = }, of those that are
function compiled.beside(self, model, prepared)
  local other = {}
  for name, value in pairs(self) do other[name] = value end
  other.source, other.prepared, other.chains, other.backend_chains = model, prepared, {}, {}
  other.explaining = false
  return compile_routes(setmetatable(other, mt), model)
end

--- Brings the path into the one spelling that its listener asks for; false: it has none, and is to be refused.
function methods:normalize(ctx)
  local change = self.normalizers[ctx._x.listener]
  if not change or C.mg_path_is_plain(ctx._x) then return true end
  local path = ctx.req.path
  local changed = change(path)
  if changed and changed ~= path then ctx.req.path = changed end
  return changed ~= nil
end

--- The compiled route of the request that `ctx` is about, or nil; and the answer of a policy of the listener's.
function methods:match(ctx)
  local route = self.router:match(ctx._x.listener, ctx.req)
  return route
end

return compiled
