--- workload: Istio's labels of a request's two ends; what is not known is "unknown".
local workload = {}

local UNKNOWN = "unknown"
-- A workload's field -> the label's name after "source_" or "destination_".
local FIELDS = {
  workload = "workload", workload_namespace = "workload_namespace", principal = "principal", app = "app",
  version = "version", cluster = "cluster", canonical_service = "canonical_service",
  canonical_revision = "canonical_revision",
}
local SERVICE = { service = "service", service_name = "service_name", service_namespace = "service_namespace" }

local function put(labels, side, names, from)
  for field, name in pairs(names) do labels[side .. name] = from and from[field] or labels[side .. name] or UNKNOWN end
end

local function finish(labels, side, known, cluster)
  if not known then return labels end
  local canonical = side .. "canonical_service"
  if labels[canonical] == UNKNOWN then labels[canonical] = labels[side .. "workload"] end
  if labels[side .. "cluster"] == UNKNOWN then labels[side .. "cluster"] = cluster or UNKNOWN end
  if labels[side .. "canonical_revision"] == UNKNOWN then labels[side .. "canonical_revision"] = "latest" end
  return labels
end

local function find(row, principal, address)
  local sources = row.sources or {}
  return principal and (sources.by_principal or {})[principal] or (sources.by_address or {})[address]
end

-- mutual_tls needs both ends' identities; a row that reports as the source does not know.
local function security(row, principal)
  if row.security then return row.security end
  if row.reporter == "source" then return UNKNOWN end
  return principal and "mutual_tls" or "none"
end

--- Labels of who calls: the row's own `source`, else what is known of the principal or the address.
function workload.source(row, principal, address)
  local known, labels = row.source or find(row, principal, address), {}
  put(labels, "source_", FIELDS, known)
  if not row.source then
    labels.source_principal = principal or UNKNOWN
    local namespace = principal and principal:match("/ns/([^/]+)/")
    if namespace then labels.source_workload_namespace = namespace end
  end
  finish(labels, "source_", known, row.cluster)
  if labels.source_canonical_revision == UNKNOWN then labels.source_canonical_revision = "latest" end
  labels.connection_security_policy = security(row, principal)
  return labels
end

--- Labels of what is called: the row's `destination`, and over it, with destination_from = "endpoint", the workload
-- of the endpoint that was chosen.
function workload.destination(row, endpoint)
  local config, labels = row.destination, {}
  put(labels, "destination_", SERVICE, config)
  put(labels, "destination_", FIELDS, config)
  local own = row.destination_from == "endpoint" and endpoint
  if own then put(labels, "destination_", FIELDS, own) end
  if row.identities == false then labels.destination_principal = UNKNOWN end
  return finish(labels, "destination_", labels.destination_workload ~= UNKNOWN, row.cluster)
end

return workload
