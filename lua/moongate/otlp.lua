--- otlp: spans to an OpenTelemetry collector, in batches, by OTLP/HTTP with JSON.
-- A worker has a queue for each collector, which lives on across reloads.  What does not fit is dropped; a batch that
-- the collector cannot take now is sent again, less and less often, and given up after some tries.
local closed = require "moongate.closed"
local http = require "moongate.http"
local json = require "moongate.json"
local log = require "moongate.log"
local metrics = require "moongate.metrics"
local time = require "moongate.time"
local timer = require "moongate.timer"

local otlp = {}
local methods = {}
local make, inside = closed.class(methods)

local TICK = 0.1 -- seconds between two looks at all queues
local TRIES, PAUSE, LONGEST_PAUSE = 5, 1, 30 -- of one batch; seconds, doubled each time, or as Retry-After has it
local PATH = "/v1/traces"
-- OTLP/HTTP: what may be sent again; any other answer but 2xx is final.
local AGAIN = { [429] = true, [502] = true, [503] = true, [504] = true }

local exporters = setmetatable({}, { __mode = "v" }) -- by what they are; a model's policies keep them
local kept_by -- number of the load whose timer looks after them
local family

local function count(outcome, number)
  family = family or metrics.counter { name = "moongate_spans_total", labels = { "outcome" },
    help = "Spans for collectors, by outcome." }
  family:with(outcome):add(number)
end

-- ---- sending ------------------------------------------------------------------------------

local function body_of(self, spans)
  return ('{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":%s}}]},'
    .. '"scopeSpans":[{"scope":{"name":"moongate"},"spans":[%s]}]}]}'):format(json.encode(self.name),
    table.concat(spans, ","))
end

-- The first spans of the queue, as many as one batch has.
local function next_batch(self)
  local spans = {}
  for i = 1, math.min(self.batch, self.last - self.first + 1) do
    spans[i] = self.queue[self.first]
    self.queue[self.first] = nil
    self.first = self.first + 1
  end
  return spans
end

-- Nil: it was taken; else why not, whether it may be sent again, and after how many seconds the collector wants it.
local function send(self, body)
  local response, why = http.request { url = self.url, service = self.service, path = self.service and PATH,
    method = "POST", headers = self.headers, body = body, timeout = self.timeout }
  if not response then return why, true end
  if response.status >= 200 and response.status < 300 then return nil end
  return "status " .. response.status, AGAIN[response.status], tonumber(response.headers["retry-after"])
end

local function tell(self, why)
  if (self.trouble ~= nil) == (why ~= nil) then return end
  self.trouble = why
  if why then log.warn("otlp: the collector takes no spans", { collector = self.url or self.service, error = why })
  else log.info("otlp: the collector takes spans again", { collector = self.url or self.service }) end
end

local function settle(self, why, again, wanted)
  local now = time.monotonic()
  tell(self, why)
  if why and again and self.tries < TRIES then
    self.due = now + math.min(math.max(PAUSE * 2 ^ (self.tries - 1), wanted or 0), LONGEST_PAUSE)
    return
  end
  count(why and "failed" or "exported", #self.sending)
  self.sending, self.due = nil, now + self.interval / 1000
end

local function run(self)
  if not self.sending then self.sending, self.tries = next_batch(self), 0 end
  self.tries = self.tries + 1
  local ok, why, again, wanted = pcall(send, self, body_of(self, self.sending))
  settle(self, not ok and tostring(why) or why, ok and again, wanted)
  self.busy = false
end

local function is_due(self, now)
  if self.busy then return false end
  if self.sending then return now >= self.due end
  local waiting = self.last - self.first + 1
  return waiting >= self.batch or waiting > 0 and now >= self.due
end

local function look()
  local now = time.monotonic()
  for _, self in pairs(exporters) do
    if is_due(self, now) then
      self.busy = timer.after(0, function() run(self) end) ~= nil
    end
  end
end

-- ---- for policies -------------------------------------------------------------------------

--- Adds a span, as OTLP's JSON has it (a text); one that the queue cannot take is dropped and counted.
function methods:add(span)
  self = inside[self]
  if self.last - self.first + 1 >= self.most then return count("dropped", 1) end
  self.last = self.last + 1
  self.queue[self.last] = span
end

--- The exporter to a collector, called while a config is loaded; the same options give the same one.
-- @param options { url, or service of the config; headers (map), name = service.name, queue and batch = spans,
-- interval and timeout (ms) }
function otlp.exporter(options)
  local o = options
  local key = json.encode(o)
  local self = exporters[key]
  if not self then
    local headers = { ["content-type"] = "application/json" }
    for name, value in pairs(o.headers or {}) do headers[name] = value end
    self = { url = o.url, service = o.service, headers = headers, name = o.name, most = o.queue,
      batch = o.batch, interval = o.interval, timeout = o.timeout, queue = {}, first = 1, last = 0, due = 0,
      busy = false }
    exporters[key] = self
  end
  if kept_by ~= timer.load_number() then
    kept_by = timer.load_number()
    timer.every(TICK, look)
  end
  return make(self)
end

return otlp
