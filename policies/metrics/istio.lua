--- istio: the standard metrics of Istio, with its names, labels and values.
-- A row says what does not change from request to request; several rows count one request several times (as a
-- sidecar's destination and a waypoint's source do).  All four series of a request are found by nested look-ups on
-- what does change: caller, endpoint, code, flags, protocol.
local metrics = require "moongate.metrics"
local tags = require "policies.metrics.tags"
local workload = require "policies.metrics.workload"
local istio = {}

--- The labels that every series has, unless a row's tags say otherwise.
istio.LABELS = {
  "response_code", "reporter", "source_workload", "source_workload_namespace", "source_principal", "source_app",
  "source_version", "source_cluster", "destination_workload", "destination_workload_namespace",
  "destination_principal", "destination_app", "destination_version", "destination_service",
  "destination_service_name", "destination_service_namespace", "destination_cluster", "request_protocol",
  "response_flags", "grpc_response_status", "connection_security_policy", "source_canonical_service",
  "destination_canonical_service", "source_canonical_revision", "destination_canonical_revision",
}
local BUCKETS = { 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000,
                  1800000, 3600000 }
local CALLERS = 10000 -- callers, and values of tags, that a row remembers before it begins anew
local ABSENT = metrics.ABSENT
local NAMES = { total = "istio_requests_total", duration = "istio_request_duration_milliseconds",
  received = "istio_request_bytes", sent = "istio_response_bytes" }
local NOT_COUNTED = { add = function() end, observe = function() end }

istio.METRICS = {} --- The families that a row may speak of, by name.
for _, name in pairs(NAMES) do istio.METRICS[name] = true end

local function families(labels)
  local function histogram(name, help)
    return metrics.histogram { name = name, help = help, labels = labels, buckets = BUCKETS }
  end
  return {
    total = metrics.counter { name = NAMES.total, help = "Requests.", labels = labels },
    duration = histogram(NAMES.duration, "Milliseconds from first byte in to last byte out."),
    received = histogram(NAMES.received, "Bytes of requests on the wire, headers included."),
    sent = histogram(NAMES.sent, "Bytes of responses on the wire, headers included."),
  }
end

--- A row ready to count: see the policy's schema for its fields.
function istio.prepare(row)
  local only = row.only_from and {}
  for _, peer in ipairs(row.only_from or {}) do only[peer] = true end
  local labels, without = { unpack(istio.LABELS) }, {}
  for _, name in ipairs(row.more_labels or {}) do labels[#labels + 1] = name end
  for _, name in ipairs(row.without or {}) do without[name] = true end
  return { only = only, row = row, families = families(labels), labels = labels, without = without,
    tags = tags.prepare(row), callers = {}, count = 0 }
end

local function below(node, key)
  node[key] = node[key] or {}
  return node[key]
end

-- Who calls: a node per principal or address, holding the labels of the caller.
local function make_caller(self, principal, address)
  if self.count >= CALLERS then self.callers, self.count = {}, 0 end
  local caller = { labels = workload.source(self.row, principal, address), by_endpoint = {} }
  self.callers[principal or address], self.count = caller, self.count + 1
  return caller
end

local NONE = {} -- stands for "no endpoint was chosen"

-- The slow path of series_of().
local function make_series(self, caller, endpoint, code, flags, grpc, key, tagged)
  local labels = workload.destination(self.row, endpoint ~= NONE and endpoint)
  for name, value in pairs(caller.labels) do labels[name] = value end
  labels.response_code, labels.response_flags, labels.reporter = tostring(code), flags, self.row.reporter
  labels.request_protocol, labels.grpc_response_status = grpc and "grpc" or "http", grpc or ""
  local series = {}
  for field, family in pairs(self.families) do
    local values, own = {}, tagged and self.tags.by_family[NAMES[field]] or {}
    for i, name in ipairs(self.labels) do
      values[i] = own[name] and (tagged[own[name]] or ABSENT) or labels[name] or ABSENT
    end
    series[field] = self.without[NAMES[field]] and NOT_COUNTED or family:with(unpack(values))
  end
  below(below(below(caller.by_endpoint, endpoint), code), flags)[key] = series
  return series
end

-- The same where a row has tags of its own: what their expressions say is part of the key.
local function tagged_series(self, ctx, caller, node, endpoint, code, flags, grpc)
  local values, key = self.tags:evaluate(ctx, grpc or "")
  if node and node[key] then return node[key] end
  self.count = self.count + 1
  return make_series(self, caller, endpoint, code, flags, grpc, key, values)
end

-- The four series of a request.  No loop and no call on the way of a known one, so that it compiles to look-ups.
local function series_of(self, ctx, principal, address)
  local caller = self.callers[principal or address] or make_caller(self, principal, address)
  local endpoint = ctx.endpoint
  endpoint = endpoint and endpoint.workload or NONE
  local code, flags = ctx.res.status, ctx:flags_text()
  local grpc = ctx.grpc and (ctx.res.headers["grpc-status"] or "")
  local node = caller.by_endpoint[endpoint]
  node = node and node[code]
  node = node and node[flags]
  if self.tags then return tagged_series(self, ctx, caller, node, endpoint, code, flags, grpc) end
  return node and node[grpc] or make_series(self, caller, endpoint, code, flags, grpc, grpc)
end

--- Counts one request, if the row is about its peer.
function istio.log(self, ctx)
  local only, peer = self.only, ctx.peer
  local principal, address = peer.principal, peer.address
  if only and not only[principal or address] and not only[address] then return end
  local series = series_of(self, ctx, principal, address)
  series.total:add(1)
  series.duration:observe(ctx.duration * 1000)
  series.received:observe(ctx.bytes_in)
  series.sent:observe(ctx.bytes_out)
end

return istio
