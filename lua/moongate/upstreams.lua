--- upstreams: a model's services made ready: contexts, limits, endpoints opened in the core, and the choice among them.
-- What is opened here goes back when it is collected.
local abi = require "moongate.abi"
local balance = require "moongate.balance"
local health = require "moongate.health"
local pause = require "moongate.pause"
local tls = require "moongate.tls"

local C, span = abi.C, abi.span

local upstreams = {}

local function host_of(address)
  return address:match("^%[(.-)%]:") or address:match("^(.*):")
end

local function open_breaker(service)
  local limits = service.circuit_breaker
  if not limits then return nil end
  local conf = abi.new("struct mg_breaker_conf", {
    name = abi.str(service.name), max_connections = limits.max_connections, max_pending = limits.max_pending,
    max_requests = limits.max_requests, max_retries = limits.max_retries,
    retry_percent = math.ceil(limits.retry_budget_percent), min_retries = limits.retry_budget_min,
  })
  local handle = C.mg_breaker_get(conf, span)
  if handle == nil then error(("%s: service %s: %s"):format(service.at, service.name, abi.text(span[0])), 0) end
  return abi.gc(handle, C.mg_breaker_put)
end

-- SANs, of which one must be found, as the core takes them.
local function verify_of(service)
  local names = service.tls.verify or ""
  return type(names) == "table" and table.concat(names, " ") or names
end

-- @param changes fields of the core's conf in place of the service's, or nil
local function open(service, endpoint, context, breaker, changes)
  local pool = service.pool
  local address = endpoint.address
  local sni = context and (service.tls.sni or host_of(address)) or ""
  local verify = context and verify_of(service) or ""
  local probes = pool.keepalive or {}
  local conf = abi.new("struct mg_endpoint_conf", {
    address = abi.str(address), sni = abi.str(sni), verify = abi.str(verify), tls = context,
    connect_timeout_ms = pool.connect_timeout, idle_timeout_ms = pool.idle_timeout, max_idle = pool.max_idle,
    max_requests = pool.max_requests, max_connections = pool.max_connections,
    max_age_ms = pool.max_age, keepalive_s = math.ceil((probes.idle or 0) / 1000),
    keepalive_interval_s = math.ceil((probes.interval or 0) / 1000),
    keepalive_probes = pool.keepalive and probes.probes or 0, breaker = breaker,
    proxy_protocol = service.proxy_protocol or 0,
  })
  for name, value in pairs(changes or {}) do conf[name] = value end
  local handle = C.mg_endpoint_get(conf, span)
  if handle == nil then
    error(("%s: endpoint %s: %s"):format(endpoint.at or service.at, address, abi.text(span[0])), 0)
  end
  return abi.gc(handle, C.mg_endpoint_put)
end

-- Checks have connections of their own, so that no limit of the service is in their way; each makes a new one.
local function open_probe(service, endpoint, context)
  return open(service, endpoint, context, nil, { max_idle = 0, max_connections = 0,
    connect_timeout_ms = service.health_check.timeout })
end

local function active(endpoint)
  return C.mg_endpoint_active(endpoint.handle)
end

-- An endpoint that the service before did not have is new (see moongate.balance.picker).
local function note_ages(service, before)
  local known = {}
  for _, endpoint in ipairs(before and before.endpoints or {}) do known[endpoint.address] = endpoint end
  for _, endpoint in ipairs(before and service.endpoints or {}) do
    local same = known[endpoint.address]
    if same then endpoint.since = same.since else endpoint.since = health.now() end
  end
end

local function open_balancer(self, service, before, context)
  local watch
  if service.outlier_detection or service.health_check then
    watch = health.new(service, before and before.health[service.name])
  end
  for _, endpoint in ipairs(service.health_check and service.endpoints or {}) do
    watch.probes[endpoint] = open_probe(service, endpoint, context)
  end
  self.health[service.name] = watch
  note_ages(service, before and before.source.services[service.name])
  local balancer = balance.new(service, { active = active, now = health.now, health = watch })
  if watch then watch:watch(balancer) end
  self.balancers[service.name] = balancer
end

--- Opens all services of `model`.
-- @param self the compiled model: tls, breakers, health and balancers are filled
-- @param before the compiled model that it will replace, or nil: what is known of endpoints lives on
function upstreams.open(self, model, before)
  for name, service in pairs(model.services) do
    local context, err = tls.client(service)
    if err then error(("%s: service %s: %s"):format(service.at, name, err), 0) end
    if context then self.tls[#self.tls + 1] = abi.gc(context, C.mg_tls_put) end
    local breaker = open_breaker(service)
    self.breakers[name] = breaker
    for _, endpoint in ipairs(service.endpoints) do endpoint.handle = open(service, endpoint, context, breaker) end
    open_balancer(self, service, before, context)
    pause.here()
  end
end

return upstreams
