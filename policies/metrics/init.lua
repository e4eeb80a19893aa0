--- metrics: counts requests and their durations for /stats/prometheus.
-- moongate_requests_total{listener,route,backend,method,code}, moongate_request_duration_seconds and
-- moongate_upstream_duration_seconds{listener,route,backend}; a method that HTTP does not define counts as _OTHER,
-- a client that left before the answer as code 0, no route or no backend as an empty label.
-- With `istio` also istio_requests_total, istio_request_duration_milliseconds, istio_request_bytes and
-- istio_response_bytes with Istio's labels, for dashboards that know these.
-- Phases: log.
-- Place it around every route (the config's own `policies`), or at the routes that should be counted.
local istio = require "policies.metrics.istio"
local native = require "policies.metrics.native"
local tags = require "policies.metrics.tags"
local metrics = {}

local function text(name, doc) return { name, type = "string", doc = doc } end

local WORKLOAD = {
  text("workload", "Name of the workload."), text("workload_namespace", "Its namespace."),
  text("principal", "Its identity, with spiffe://."), text("app", "Its label app."),
  text("version", "Its label version."), text("cluster", "Its cluster; the row's, if left out."),
  text("canonical_service", "Its canonical service."), text("canonical_revision", "Its canonical revision."),
}
local DESTINATION = {
  text("service", "Full name of the service that was called."), text("service_name", "Its short name."),
  text("service_namespace", "Its namespace."), unpack(WORKLOAD),
}
local WORKLOADS = { type = "record", fields = WORKLOAD }

local ROW = {
  { "reporter", type = "string", one_of = { "source", "destination", "waypoint" }, default = "destination",
    doc = "Who says so: the label reporter." },
  text("cluster", "Cluster of workloads that name none."),
  { "security", type = "string", one_of = { "mutual_tls", "none", "unknown" },
    doc = "The label connection_security_policy; left out: by the peer's identity." },
  { "destination", type = "record", fields = DESTINATION, default = {}, doc = "What is called." },
  { "destination_from", type = "string", one_of = { "config", "endpoint" }, default = "config",
    doc = "With endpoint, the chosen endpoint's workload stands over `destination`." },
  { "identities", type = "boolean", default = true, doc = "False: what is called is named without its principal." },
  { "without", type = "list", items = { type = "string" }, doc = "Families (istio_...) that the row does not count." },
  { "more_labels", type = "list", items = { type = "string", pattern = "^[%a_][%w_]*$" }, max = 7,
    doc = "Labels beyond Istio's, the same ones in every row." },
  { "tags", type = "map", values = { type = "map", values = { type = "string" } },
    doc = "Family to label to an expression of CEL that gives its value; an empty text: the series lacks the label." },
  { "only_from", type = "list", items = { type = "string" },
    doc = "Count only requests of these peers: principals (with spiffe://) or addresses; left out: of all." },
  { "source", type = "record", fields = WORKLOAD, doc = "Who calls, whoever the peer is." },
  { "sources", type = "record", doc = "Who calls, by peer.", fields = {
    { "by_principal", type = "map", values = WORKLOADS, doc = "Identity (with spiffe://) to workload." },
    { "by_address", type = "map", values = WORKLOADS, doc = "Address to workload." },
  } },
}

metrics.decides = false

metrics.schema = {
  { "native", type = "boolean", default = true, doc = "Count under moongate_ names." },
  { "istio", type = { "list", "record" }, fields = ROW, items = { type = "record", fields = ROW },
    doc = "Count under istio_ names: a row, or a list of rows of which each counts every request." },
}

function metrics.check(conf)
  local rows = conf.istio or {}
  for _, row in ipairs(rows.reporter and { rows } or rows) do
    local why = tags.mistake(row, istio.METRICS)
    if why then return nil, "istio." .. why end
  end
end

local function nothing() end

-- A function of ctx that counts for `profile` and then does what `after` does: no list to walk for each request.
local function counting(profile, row, after)
  local prepared, log = profile.prepare(row), profile.log
  return function(ctx)
    log(prepared, ctx)
    after(ctx)
  end
end

function metrics.prepare(conf)
  local count, rows = nothing, conf.istio or {}
  for _, row in ipairs(rows.reporter and { rows } or rows) do count = counting(istio, row, count) end
  if conf.native then count = counting(native, nil, count) end
  return { count = count }
end

function metrics.log(conf, ctx)
  conf.count(ctx)
end

return metrics
