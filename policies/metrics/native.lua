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
  node[key] = node[key] or {}
  return node[key]
end

local function name_of(service, subset)
  return subset ~= "" and service .. "/" .. subset or service
end

-- The slow path of place_of(): declares the series of one listener, route and backend.
local function make_place(self, listener, route, service, subset)
  local name = name_of(service, subset)
  local place = {
    duration = self.duration:with(listener, route, name), upstream = self.upstream:with(listener, route, name),
    listener = listener, route = route, backend = name, by_method = {},
  }
  below(below(below(self.by_listener, listener), route), service)[subset] = place
  return place
end

-- The series of a request's listener, route and backend.  No loop and no call, so that it compiles to look-ups.
local function place_of(self, ctx)
  local listener, route, backend = ctx.listener.name, ctx.route, ctx.backend
  local service, subset = "", ""
  route = route and route.name or ""
  if backend then service, subset = backend.service, backend.subset or "" end
  local node = self.by_listener[listener]
  node = node and node[route]
  node = node and node[service]
  return node and node[subset] or make_place(self, listener, route, service, subset)
end

local function make_count(self, place, method, code)
  local count = self.total:with(place.listener, place.route, place.backend, method, code)
  below(place.by_method, method)[code] = count
  return count
end

--- Counts one request.
function native.log(self, ctx)
  local place = place_of(self, ctx)
  local method, code = METHODS[ctx.req.method] or "_OTHER", ctx.res.status
  local by_code = place.by_method[method]
  local count = by_code and by_code[code] or make_count(self, place, method, code)
  count:add(1)
  place.duration:observe(ctx.duration)
  local upstream = ctx.upstream_duration
  if upstream then place.upstream:observe(upstream) end
end

return native
