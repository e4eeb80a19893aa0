--- bench_count: one counter by method, code and backend, which is what the bench's peers count.
-- Phases: log.
local metrics = require "moongate.metrics"

local bench_count = {}

local requests = metrics.counter {
  name = "bench_requests_total", labels = { "method", "code", "backend" }, help = "Requests of the bench.",
}

function bench_count.log(_, ctx)
  local backend = ctx.backend
  requests:with(ctx.req.method, ctx.res.status, backend and backend.service or ""):add(1)
end

return bench_count
