--- native: moongate's own counters and durations of requests.
local metrics = require "moongate.metrics"
local native = {}

local METHODS = { GET = "GET", HEAD = "HEAD", POST = "POST", PUT = "PUT", DELETE = "DELETE", PATCH = "PATCH",
                  OPTIONS = "OPTIONS", TRACE = "TRACE", CONNECT = "CONNECT" }
local SECONDS = { 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10 } -- as OpenTelemetry's

--- Declares the families.
function native.prepare()
  local labels = { "listener", "route", "backend" }
  return {
    total = metrics.counter {
      name = "moongate_requests_total", help = "Requests.",
      labels = { "listener", "route", "backend", "method", "code" },
    },
    duration = metrics.histogram {
      name = "moongate_request_duration_seconds", help = "Seconds from first byte in to last byte out.",
      labels = labels, buckets = SECONDS,
    },
    upstream = metrics.histogram {
      name = "moongate_upstream_duration_seconds", help = "Seconds from sending the last try to its response head.",
      labels = labels, buckets = SECONDS,
    },
    by_listener = {},
  }
end

local function below(node, key)
  local found = node[key]
  if not found then
    found = {}
    node[key] = found
  end
  return found
end

local function name_of(backend)
  if backend == nil then return "" end
  return backend.subset and backend.service .. "/" .. backend.subset or backend.service
end

-- The series of one listener, route and backend; listeners and routes go by name, so that a reload keeps them.
local function place_of(self, ctx)
  local listener, backend = ctx.listener.name, ctx.backend
  local route = ctx.route and ctx.route.name or ""
  local by_service = below(below(self.by_listener, listener), route)
  local by_subset = below(by_service, backend and backend.service or "")
  local place = by_subset[backend and backend.subset or ""]
  if not place then
    local name = name_of(backend)
    place = {
      duration = self.duration:with(listener, route, name), upstream = self.upstream:with(listener, route, name),
      listener = listener, route = route, backend = name, by_method = {},
    }
    by_subset[backend and backend.subset or ""] = place
  end
  return place
end

--- Counts one request.
function native.log(self, ctx)
  local place = place_of(self, ctx)
  local method, code = METHODS[ctx.req.method] or "_OTHER", ctx.res.status
  local by_code = below(place.by_method, method)
  local count = by_code[code]
  if not count then
    count = self.total:with(place.listener, place.route, place.backend, method, code)
    by_code[code] = count
  end
  count:add(1)
  place.duration:observe(ctx.duration)
  local upstream = ctx.upstream_duration
  if upstream then place.upstream:observe(upstream) end
end

return native
