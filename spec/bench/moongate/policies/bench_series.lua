--- bench_series: makes many series, so that the bench can scrape them.
-- Phases: log (counts one of them).
local metrics = require "moongate.metrics"

local bench_series = {}

local PER_METRIC = 1000 -- well under the cap of series a metric may have

bench_series.schema = {
  { "count", type = "integer", min = 1, required = true, doc = "How many series to make." },
}

function bench_series.prepare(conf)
  local counters = {}
  for i = 0, conf.count - 1 do
    local family = metrics.counter {
      name = "bench_" .. math.floor(i / PER_METRIC) .. "_total", labels = { "series" }, help = "Made to be scraped.",
    }
    counters[i + 1] = family:with(tostring(i % PER_METRIC))
  end
  conf.counters, conf.next = counters, 0
  return conf
end

function bench_series.log(conf)
  conf.next = conf.next % conf.count + 1
  conf.counters[conf.next]:add(1)
end

return bench_series
