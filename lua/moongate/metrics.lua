--- metrics: counters, gauges and histograms that all workers share and /stats/prometheus shows.
-- A family is declared once by name (again: the same family); `family:with(values...)` is one series, found by
-- nested look-ups and to be kept by whoever can.  Past `max_series` values share one series named "_other".
local abi = require "moongate.abi"
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
counter.__index, gauge.__index, histogram.__index = counter, gauge, histogram

--- Adds `n` (a whole number, 1 when left out).
function counter.add(series, n)
  series.slots[0] = series.slots[0] + (n or 1)
end

--- Sets this worker's part; the scrape adds up the workers.
function gauge.set(series, value) series.slots[0] = value end

--- Adds `value`, which may be negative.
function gauge.add(series, value) series.slots[0] = series.slots[0] + value end

--- Counts `value` (in base units) in its bucket and adds it to the sum.
function histogram.observe(series, value)
  C.mg_metric_observe(series.family, series.slots, value)
end

local KINDS = {
  counter = { code = C.MG_METRIC_COUNTER, series = counter },
  gauge = { code = C.MG_METRIC_GAUGE, series = gauge },
  histogram = { code = C.MG_METRIC_HISTOGRAM, series = histogram },
}

local function make_series(family, values)
  local texts = {}
  for i, label in ipairs(family.labels) do
    if values[i] == nil then error(("metrics: %s: label '%s' has no value"):format(family.name, label), 3) end
    texts[i] = tostring(values[i])
  end
  local slots = C.mg_metric_series(family.id, abi.strs(texts), #texts)
  if family.kind == "gauge" then slots = abi.cast("double *", slots) end
  return setmetatable({ slots = slots, family = family.id }, KINDS[family.kind].series)
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

local withs = {} -- number of labels -> with()

-- with() of so many labels: a chain of look-ups without a loop or a vararg, so that it compiles.
local function with_of(count)
  if withs[count] then return withs[count] end
  local names, code = {}, { "local n = family.known" }
  for i = 1, count do
    names[i] = "v" .. i
    code[#code + 1] = ("n = n[v%d] if n == nil then return remember(family, $) end"):format(i)
  end
  if count == 0 then code[2] = "n = n[1] if n == nil then return remember(family) end" end
  local source = ("local remember = ...\nreturn function(family%s)\n%s\nreturn n\nend"):format(
    count > 0 and ", $" or "", table.concat(code, "\n")):gsub("%$", table.concat(names, ", "))
  withs[count] = assert(loadstring(source, "=metrics.with"))(remember)
  return withs[count]
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
    families[id] = {
      id = id, kind = kind, name = given.name, labels = labels, max_series = max_series, count = 0, known = {},
      with = with_of(#labels),
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
