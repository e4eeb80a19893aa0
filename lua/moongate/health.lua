--- health: ejection and return: an endpoint that fails again and again gets no requests for a while.
--
-- Rules: Istio's OutlierDetection and Envoy's outlier detector, without its success rates.  Each worker sees its own
-- requests only.  Times in milliseconds of a monotonic clock.
local abi = require "moongate.abi"
local failure = require "moongate.failure"
local log = require "moongate.log"
local metrics = require "moongate.metrics"

local C = abi.C

local health = {}
local methods = {}
local mt = { __index = methods }

local GATEWAY_ERRORS = { [502] = true, [503] = true, [504] = true }
-- What a failure of our own side counts as, where those are not told apart.
local TIMED_OUT, FAILED = 504, 503

local ejections = metrics.counter {
  name = "moongate_upstream_ejections_total", labels = { "service" },
  help = "Endpoints taken out because they failed again and again.",
}

--- Milliseconds of a clock that never goes back.
function health.now()
  return tonumber(C.mg_now_ns()) / 1e6
end

local function new_state()
  return { errors = 0, gateway = 0, failures = 0, times = 0, until_ = false, returned = 0 }
end

--- What is known of a service's endpoints.
-- @param service of the model, with outlier_detection
-- @param before the same service's of the config before, or nil: its endpoints keep what is known of them
-- @param now function giving milliseconds, or nil: health.now
function health.new(service, before, now)
  now = now or health.now
  local self = setmetatable({ name = service.name, conf = service.outlier_detection, count = #service.endpoints,
    states = {}, by_address = {}, now = now, start = before and before.start or now() }, mt)
  for _, endpoint in ipairs(service.endpoints) do
    local state = before and before.by_address[endpoint.address] or new_state()
    self.states[endpoint], self.by_address[endpoint.address] = state, state
  end
  if self.conf.error_codes then
    self.codes = {}
    for _, code in ipairs(self.conf.error_codes) do self.codes[code] = true end
  end
  return self
end

--- Who is told when an endpoint goes out: watcher:refresh().
function methods:watch(watcher)
  self.watcher = watcher
end

-- One more than those who are out, unless that is too large a part; one may always go.
local function may_eject(self)
  local out = 0
  for _, state in pairs(self.states) do
    if state.until_ then out = out + 1 end
  end
  return out == 0 or (out + 1) * 100 <= self.conf.max_ejection_percent * self.count
end

-- The looks for who may return are `interval` apart (Envoy), counted from the start.
local function next_look(self, time)
  local interval = self.conf.interval
  return self.start + math.ceil((time - self.start) / interval) * interval
end

-- How often an endpoint was out: one less for each interval that it was well since.
local function times_out(self, state, now)
  local well = state.returned > 0 and math.floor((now - state.returned) / self.conf.interval) or 0
  return math.max(0, state.times - well)
end

local function eject(self, endpoint, state, why)
  if state.until_ or not may_eject(self) then return end
  local conf, now = self.conf, self.now()
  state.times = times_out(self, state, now) + 1
  local length = math.min(conf.base_ejection_time * state.times, math.max(conf.max_ejection_time,
    conf.base_ejection_time))
  state.until_ = next_look(self, now + length)
  ejections:with(self.name):add(1)
  log.warn("endpoint ejected", { service = self.name, endpoint = endpoint.address, why = why,
    seconds = (state.until_ - now) / 1000 })
  if self.watcher then self.watcher:refresh() end
end

-- One of the counters goes up; at `most` (0: it does not count) the endpoint goes out.
local function count(self, endpoint, state, name, most, why)
  if most == 0 then return end
  state[name] = state[name] + 1
  if state[name] < most then return end
  state[name] = 0
  eject(self, endpoint, state, why)
end

local function is_error(self, status)
  if self.codes then return self.codes[status] or false end
  return status >= 500
end

local function count_status(self, endpoint, state, status)
  local conf = self.conf
  if not is_error(self, status) then
    state.errors, state.gateway = 0, 0
    return
  end
  if GATEWAY_ERRORS[status] then
    count(self, endpoint, state, "gateway", conf.consecutive_gateway_errors, "gateway errors")
  else
    state.gateway = 0
  end
  count(self, endpoint, state, "errors", conf.consecutive_5xx, "errors")
end

--- Counts how a try ended.
-- @param rc the try's outcome: MG_OK (answered with `status`) or an error
function methods:report(endpoint, rc, status)
  local state = self.states[endpoint]
  if not state or rc == C.MG_EGONE or rc == C.MG_EFULL or rc == C.MG_EPHASE then return end -- not the endpoint's doing
  local split = self.conf.split_local_failures
  if rc == C.MG_OK then
    if split then state.failures = 0 end
    count_status(self, endpoint, state, status)
  elseif split then
    count(self, endpoint, state, "failures", self.conf.consecutive_local_failures, failure.kind(rc))
  else
    count_status(self, endpoint, state, rc == C.MG_ETIMEOUT and TIMED_OUT or FAILED)
  end
end

--- When the endpoint returns, or nil while it is in; one whose time is over returns here.
function methods:out_until(endpoint, now)
  local state = self.states[endpoint]
  local time = state and state.until_
  if not time then return nil end
  if now < time then return time end
  state.until_, state.returned = false, now
  state.errors, state.gateway, state.failures = 0, 0, 0
  log.info("endpoint returned", { service = self.name, endpoint = endpoint.address })
  return nil
end

return health
