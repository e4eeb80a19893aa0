--- health: ejection and return: an endpoint that fails again and again, or is found unwell, gets no requests.
--
-- Rules: Istio's OutlierDetection and Envoy's outlier detector.  Each worker counts its own requests only; who is out
-- is told to all (moongate.health.board).  Times in milliseconds of a monotonic clock.
local abi = require "moongate.abi"
local board = require "moongate.health.board"
local failure = require "moongate.failure"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local rates = require "moongate.health.rates"
local shown = require "moongate.health.shown"

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

-- What stands where there is no outlier_detection: nobody is ejected.
local OFF = { consecutive_5xx = 0, consecutive_gateway_errors = 0, consecutive_local_failures = 0,
  split_local_failures = false, interval = 10000 }

--- Milliseconds of a clock that never goes back.
function health.now()
  return tonumber(C.mg_now_ns()) / 1e6
end

local function new_state()
  return { errors = 0, gateway = 0, failures = 0, times = 0, until_ = false, returned = 0, down = false, total = 0,
    good = 0, shown = false }
end

-- `self.back`: when the first of those that are out may return, or nil.
local function note_return(self, state)
  local time = state.until_
  if time and time < (self.back or math.huge) then self.back = time end
end

--- What is known of a service's endpoints.
-- @param service of the model, with outlier_detection, health_check or both
-- @param before the same service's of the config before, or nil: its endpoints keep what is known of them
-- @param now function giving milliseconds, or nil: health.now
function health.new(service, before, now)
  now = now or health.now
  local conf, checked = service.outlier_detection or OFF, service.health_check
  local self = setmetatable({ name = service.name, conf = conf, checked = checked, probes = {},
    least = math.max(conf.min_health_percent or 0, checked and checked.min_health_percent or 0),
    rates_due = conf.success_rate and now() + conf.interval or false, count = #service.endpoints,
    states = {}, by_address = {}, now = now, start = before and before.start or now() }, mt)
  for _, endpoint in ipairs(service.endpoints) do
    local state = before and before.by_address[endpoint.address] or new_state()
    self.states[endpoint], self.by_address[endpoint.address] = state, state
    note_return(self, state)
    if not checked then state.down = false end
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

--- Has the choice among endpoints made anew.
function methods:refresh()
  if self.watcher then self.watcher:refresh() end
end

-- Says in the metrics, and to the choice among endpoints, that somebody went out or came in.
local function tell(self, endpoint, state)
  shown.tell(self.name, endpoint.address, state)
  note_return(self, state)
  self:refresh()
end

--- What an active check found: `down` or well.
function methods:set_down(endpoint, down)
  local state = self.states[endpoint]
  if state.down == down then return end
  state.down = down
  if not down then endpoint.since = self.now() end -- it warms up as a new one does (Envoy's slow start)
  tell(self, endpoint, state)
end

-- Another worker has ejected it until then, for so many times; or a request that began before a reload: the state is
-- the same then, but this watch has not been told.
local function adopt(self, endpoint, state)
  local time, times = (board.read("out", self.name, endpoint) or ""):match "^(%S+) (%d+)$"
  time = tonumber(time)
  if not time or time <= self.now() or state.until_ and state.until_ > time then return end
  state.until_, state.times = time, tonumber(times)
  tell(self, endpoint, state)
end

--- Takes over what other workers have found out.
function methods:look()
  for endpoint, state in pairs(self.states) do
    if self.checked then
      self:set_down(endpoint, (board.read("check", self.name, endpoint) or ""):find "^down" ~= nil)
    end
    if self.conf ~= OFF then adopt(self, endpoint, state) end
  end
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
  local base, most = conf.base_ejection_time, math.max(conf.max_ejection_time, conf.base_ejection_time)
  -- Times that make it no longer are not counted, or they would have to be made up for (Envoy).
  state.times = math.min(times_out(self, state, now) + 1, math.ceil(most / base) + 1)
  local length = math.min(base * state.times, most)
  state.until_ = next_look(self, now + length)
  ejections:with(self.name):add(1)
  log.warn("endpoint ejected", { service = self.name, endpoint = endpoint.address, why = why,
    seconds = (state.until_ - now) / 1000 })
  tell(self, endpoint, state)
  board.note("out", self.name, endpoint, ("%.17g %d"):format(state.until_, state.times), (state.until_ - now) / 1000)
  board.change()
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

-- Once an interval those go out that do far worse than the others; who is out already hides nobody.
local function look_at_rates(self, now)
  local list = {}
  self.rates_due = now + self.conf.interval
  for endpoint, state in pairs(self.states) do
    if not state.until_ then list[#list + 1] = { endpoint = endpoint, total = state.total, good = state.good } end
    state.total, state.good = 0, 0
  end
  for _, item in ipairs(rates.low(list, self.conf.success_rate)) do
    eject(self, item.endpoint, self.states[item.endpoint], ("success rate %.3g"):format(item.rate))
  end
end

local function count_rate(self, state, good)
  state.total, state.good = state.total + 1, state.good + (good and 1 or 0)
  local now = self.now()
  if now >= self.rates_due then look_at_rates(self, now) end
end

--- Counts how a try ended.
-- @param rc the try's outcome: MG_OK (answered with `status`) or an error
function methods:report(endpoint, rc, status)
  local state = self.states[endpoint]
  if not state or rc == C.MG_EGONE or rc == C.MG_EFULL or rc == C.MG_EPHASE then return end -- not the endpoint's doing
  if self.rates_due then count_rate(self, state, rc == C.MG_OK and not is_error(self, status)) end
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

--- When the endpoint returns (math.huge: that will be told), or nil while it is in; one whose time is over returns
-- here.
function methods:out_until(endpoint, now)
  local state = self.states[endpoint]
  if not state then return nil end
  local time = state.until_
  if time and now < time then return state.down and math.huge or time end
  if not time then return state.down and math.huge or nil end
  state.until_, state.returned = false, now
  state.errors, state.gateway, state.failures = 0, 0, 0
  shown.tell(self.name, endpoint.address, state)
  if state.down then return math.huge end
  log.info("endpoint returned", { service = self.name, endpoint = endpoint.address })
  return nil
end

--- Those whose time is over return, though nobody asks for them.
function methods:bring_back(now)
  if not self.back or now < self.back then return end
  self.back = nil
  for endpoint, state in pairs(self.states) do
    self:out_until(endpoint, now)
    note_return(self, state)
  end
end

return health
