--- metrics: counters, gauges and histograms that all workers share and /stats/prometheus shows.
-- A family is declared once by name (again: the same family); `family:with(values...)` is one series, found by
-- nested look-ups and to be kept by whoever can.  Past `max_series` values share one series named "_other".
local abi = require "moongate.abi"
local closed = require "moongate.closed"
local schema = require "moongate.schema"
local metrics = {}

local C = abi.C

--- The value of a label that a series does not have.
metrics.ABSENT = "\0"

local families = {} -- by the core's id
local GIVEN = {
  { "name", type = "string", required = true }, { "help", type = "string", min = 1 },
  { "labels", type = "list", items = { type = "string" }, default = {} },
  { "buckets", type = "list", items = { type = "number" }, default = {} },
  { "max_series", type = "integer", min = 1, max = 4294967295, default = 10000 },
}

local counter, gauge, histogram = {}, {}, {}
local make_counter, counters = closed.class(counter)
local make_gauge, gauges = closed.class(gauge)
local make_histogram, histograms = closed.class(histogram)

--- Adds `n` (a whole number, 1 when left out).
function counter.add(series, n)
  local slots = counters[series]
  slots[0] = slots[0] + (n or 1)
end

--- Sets this worker's part; the scrape adds up the workers.
function gauge.set(series, value) gauges[series][0] = value end

--- Adds `value`, which may be negative.
function gauge.add(series, value)
  local slots = gauges[series]
  slots[0] = slots[0] + value
end

--- Counts `value` (in base units) in its bucket and adds it to the sum.
function histogram.observe(series, value)
  local inside = histograms[series]
  C.mg_metric_observe(inside.family, inside.slots, value)
end

-- make() gives a series of slots.
local KINDS = {
  counter = { code = C.MG_METRIC_COUNTER, make = make_counter },
  gauge = { code = C.MG_METRIC_GAUGE, make = function(slots) return make_gauge(abi.cast("double *", slots)) end },
  histogram = { code = C.MG_METRIC_HISTOGRAM, make = function(slots, id)
    return make_histogram { slots = slots, family = id }
  end },
}

local function make_series(family, values)
  local texts = {}
  for i, label in ipairs(family.labels) do
    if values[i] == nil then error(("metrics: %s: label '%s' has no value"):format(family.name, label), 3) end
    texts[i] = tostring(values[i])
  end
  return KINDS[family.kind].make(C.mg_metric_series(family.id, abi.strs(texts), #texts), family.id)
end

-- The slow path of with(): makes the series and remembers it, while there are few enough.
local function remember(family, ...)
  local values, node = { ... }, family.known
  local series = make_series(family, values)
  if family.count >= family.max_series then return series end
  for i = 1, #family.labels - 1 do
    node[values[i]] = node[values[i]] or {}
    node = node[values[i]]
  end
  node[values[#family.labels] or 1] = series
  family.count = family.count + 1
  return series
end

local classes = {} -- by number of labels: make(family) of closed.class

-- with() of so many labels: a chain of look-ups without a loop or a vararg, so that it compiles.
local function class_of(count)
  if classes[count] then return classes[count] end
  local names, code = {}, { "local family = inside[object]", "local n = family.known" }
  for i = 1, count do
    names[i] = "v" .. i
    code[#code + 1] = ("n = n[v%d] if n == nil then return remember(family, $) end"):format(i)
  end
  if count == 0 then code[3] = "n = n[1] if n == nil then return remember(family) end" end
  local source = ("local remember, inside = ...\nreturn function(object%s)\n%s\nreturn n\nend"):format(
    count > 0 and ", $" or "", table.concat(code, "\n")):gsub("%$", table.concat(names, ", "))
  local methods = {}
  local make, inside = closed.class(methods)
  methods.with = assert(loadstring(source, "=metrics.with"))(remember, inside)
  classes[count] = make
  return make
end

local function bounds_array(bounds)
  local array = abi.new("double[?]", math.max(#bounds, 1))
  for i, bound in ipairs(bounds) do array[i - 1] = bound end
  return array
end

local function declare(kind, given)
  local mistake
  given = schema.check(GIVEN, given, { kind }, function(path, message)
    mistake = mistake or ("metrics: %s: %s"):format(table.concat(path, "."), message)
  end)
  if mistake then error(mistake, 2) end -- the caller's place: counter() and the others call this as their last
  local labels, bounds, max_series = given.labels, given.buckets, given.max_series
  local id = C.mg_metric_family(KINDS[kind].code, given.name, given.help or given.name, abi.strs(labels), #labels,
    bounds_array(bounds), #bounds, max_series)
  if id < 0 then error(("metrics: %s '%s': %s"):format(kind, given.name, abi.error_text(id)), 2) end
  if not families[id] then
    families[id] = class_of(#labels) {
      id = id, kind = kind, name = given.name, labels = labels, max_series = max_series, count = 0, known = {},
    }
  end
  return families[id]
end

--- A family of counters: { name =, help =, labels = {...}, max_series = }.  Raises when the name is taken by
-- another type or other labels.
function metrics.counter(given) return declare("counter", given) end

--- A family of gauges; fields as counter.
function metrics.gauge(given) return declare("gauge", given) end

--- A family of histograms; fields as counter, and buckets = { upper bounds in base units, ascending }.
function metrics.histogram(given) return declare("histogram", given) end

return metrics
