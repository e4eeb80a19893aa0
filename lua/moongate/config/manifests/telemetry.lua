--- Which rows of Istio's metrics a mesh listener counts, as settings of policy metrics.
--
-- A waypoint of the old form reports as the destination, and a second time, as the source, what the workloads that
-- it serves call through it; it knows neither app nor version. One of the new form reports once, as the waypoint.
local telemetries = require "moongate.config.manifests.telemetries"
local telemetry_metrics = require "moongate.config.manifests.telemetry_metrics"
local waypoints = require "moongate.config.manifests.waypoints"

local telemetry = {}

local CLUSTER = "Kubernetes" -- the name that a mesh of one cluster has in metrics
local PER_WORKLOAD = { "workload", "workload_namespace", "principal", "app", "version", "canonical_service",
  "canonical_revision" }

--- What metrics call a workload, as waypoints of the old or the new form know it.
local function metadata_of(workload, legacy)
  local metadata = {}
  for name, value in pairs(workload.metadata) do metadata[name] = value end
  if legacy then metadata.app, metadata.version = nil, nil end
  return metadata
end

--- What is the same for all of these workloads.
local function in_common(list, legacy)
  local common
  for _, workload in ipairs(list) do
    local metadata = metadata_of(workload, legacy)
    common = common or metadata
    for _, name in ipairs(PER_WORKLOAD) do
      if common[name] ~= metadata[name] then common[name] = nil end
    end
  end
  return common or {}
end

local function destination_of(service, legacy)
  local destination = in_common(service.behind, legacy)
  destination.service, destination.service_name = service.fqdn, service.object.name
  destination.service_namespace = service.object.namespace
  return destination
end

--- Calls f(address, workload) for every endpoint: what listens there calls from there too.
local function each_address(context, f)
  for _, service in ipairs(context.services) do
    for _, pod in ipairs(service.pods) do f(pod.host, pod.workload) end
  end
end

--- Callers by principal and by address.
local function sources_of(context, legacy)
  local sources, by_principal = { by_principal = {}, by_address = {} }, {}
  for _, workload in ipairs(context.workloads) do
    local principal = workload.metadata.principal
    by_principal[principal] = by_principal[principal] or {}
    table.insert(by_principal[principal], workload)
  end
  for principal, list in pairs(by_principal) do sources.by_principal[principal] = in_common(list, legacy) end
  each_address(context, function(address, workload)
    sources.by_address[address] = metadata_of(workload, legacy)
  end)
  return sources
end

--- Who calls through a waypoint of the old form: the principals and addresses of the workloads it serves.
local function callers_of(context, waypoint)
  local list, seen = {}, {}
  local function add(peer, workload)
    if waypoints.serves_workload(waypoint, workload) and not seen[peer] then
      seen[peer] = true
      list[#list + 1] = peer
    end
  end
  for _, workload in ipairs(context.workloads) do add(workload.metadata.principal, workload) end
  each_address(context, add)
  return list
end

--- The row of calls that pass a waypoint of the old form on their way out.
local function outbound_row(context, waypoint, service)
  local callers = callers_of(context, waypoint)
  if #callers == 0 then return nil end
  local name = waypoint.workload_name
  return { reporter = "source", security = "unknown", identities = false, only_from = callers, cluster = CLUSTER,
    source = { workload = name, workload_namespace = waypoint.namespace, cluster = CLUSTER, canonical_service = name,
      canonical_revision = "latest" },
    destination = destination_of(service, true), destination_from = "endpoint" }
end

local function inbound_row(context, service)
  local legacy = service.waypoint.legacy
  return { reporter = legacy and "destination" or "waypoint", cluster = CLUSTER, destination_from = "endpoint",
    destination = destination_of(service, legacy), sources = sources_of(context, legacy) }
end

--- The use of policy metrics for a mesh listener of a service, or nil when no waypoint has anything to report there.
-- @param context as for mesh.add()
function telemetry.use(context, service)
  local rows, more = {}, telemetry_metrics.more_labels(context.telemetries.all)
  local function add(row, proxy, mode)
    if not row then return end
    local objects = context.telemetries:at(proxy)
    for _, object in ipairs(objects) do object:attach("service " .. service.fqdn) end
    row.more_labels = more
    rows[#rows + 1] = telemetry_metrics.apply(row, objects, mode)
  end
  if service.waypoint then add(inbound_row(context, service), telemetries.mesh_proxy(service), "SERVER") end
  for _, waypoint in ipairs(context.waypoints) do
    if waypoint.legacy then
      local proxy = { namespace = waypoint.namespace, labels = waypoint.object.labels, gateway = waypoint.name }
      add(outbound_row(context, waypoint, service), proxy, "CLIENT")
    end
  end
  if #rows == 0 then return nil end
  local legacy = not service.waypoint or service.waypoint.legacy
  for _, pod in ipairs(service.pods) do pod.endpoint.workload = metadata_of(pod.workload, legacy) end
  return { name = "metrics", conf = { native = false, istio = rows }, at = service.object:place() }
end

return telemetry
