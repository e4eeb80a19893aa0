---@meta moongate.metrics

--- Counters, gauges and histograms that all workers share and /stats/prometheus shows. Declare them once, in prepare or
--- at the module's top; the same name again is the same family.
---@class moongate.metrics
---@field ABSENT string The value of a label that a series does not have.
local metrics = {}

--- A family of counters. Raises when the name is taken by another type or other labels.
---@param given { name: string, help?: string, labels?: string[], max_series?: integer } Past max_series (10000) values share one series of "_other".
---@return moongate.Counters
function metrics.counter(given) end

--- A family of gauges.
---@param given { name: string, help?: string, labels?: string[], max_series?: integer }
---@return moongate.Gauges
function metrics.gauge(given) end

--- A family of histograms.
---@param given { name: string, help?: string, labels?: string[], max_series?: integer, buckets: number[] } Upper bounds in base units, ascending.
---@return moongate.Histograms
function metrics.histogram(given) end

--- A family: with(values...) is the series that has these values of the labels, to be kept by whoever can.
---@class moongate.Counters
---@field with fun(self: moongate.Counters, ...: any): moongate.Counter The series of these values.

--- A family: with(values...) is the series that has these values of the labels.
---@class moongate.Gauges
---@field with fun(self: moongate.Gauges, ...: any): moongate.Gauge The series of these values.

--- A family: with(values...) is the series that has these values of the labels.
---@class moongate.Histograms
---@field with fun(self: moongate.Histograms, ...: any): moongate.Histogram The series of these values.

--- One series of a counter.
---@class moongate.Counter
local counter = {}

--- Adds a whole number (1 when left out).
---@param n? integer
function counter:add(n) end

--- One series of a gauge.
---@class moongate.Gauge
local gauge = {}

--- Sets this worker's part; a scrape adds up the workers.
---@param value number
function gauge:set(value) end

--- Adds a number, which may be negative.
---@param value number
function gauge:add(value) end

--- One series of a histogram.
---@class moongate.Histogram
local histogram = {}

--- Counts a value (in base units) in its bucket and adds it to the sum.
---@param value number
function histogram:observe(value) end

return metrics
