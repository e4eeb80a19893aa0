--- Front end for Kubernetes, Istio and Gateway API files: reads them and makes the model that the runtime runs.
--
-- Without a cluster, this gateway is the whole mesh. Every Service with a clusterIP gets a listener on that
-- address, where AuthorizationPolicies guard it; where a waypoint serves it, VirtualServices route it; from there
-- calls go in clear text to the addresses of its EndpointSlices. An ingress Gateway calls services through those
-- listeners, as its own identity. Identities are Secrets `istio.ACCOUNT` of type istio.io/key-and-cert; where a
-- service's account has none, its listener speaks clear text.
local access_logs = require "moongate.config.manifests.access_logs"
local authorization = require "moongate.config.manifests.authorization"
local backend_tls = require "moongate.config.manifests.gateway_api.backend_tls"
local backends = require "moongate.config.manifests.backends"
local destination_rules = require "moongate.config.manifests.destination_rules"
local gateway_api = require "moongate.config.manifests.gateway_api"
local ingress = require "moongate.config.manifests.ingress"
local mesh = require "moongate.config.manifests.mesh"
local mesh_config = require "moongate.config.manifests.mesh_config"
local model = require "moongate.model"
local peer_authentication = require "moongate.config.manifests.peer_authentication"
local reader = require "moongate.config.manifests.reader"
local service_entries = require "moongate.config.manifests.service_entries"
local services = require "moongate.config.manifests.services"
local status = require "moongate.config.manifests.gateway_api.status"
local store = require "moongate.config.manifests.store"
local subset_hops = require "moongate.config.manifests.subset_hops"
local waypoints = require "moongate.config.manifests.waypoints"
local telemetries = require "moongate.config.manifests.telemetries"
local telemetry_metrics = require "moongate.config.manifests.telemetry_metrics"
local traffic_extensions = require "moongate.config.manifests.traffic_extensions"
local workloads = require "moongate.config.manifests.workloads"

local manifests = {}

local GATEWAY = "gateway.networking.k8s.io/Gateway"
local ADMIN = "127.0.0.1:15020" -- where Istio's agent serves /stats/prometheus

local function gather(objects, options)
  local context = { store = store.new(objects, options.tls), origins = {}, mesh_listeners = {}, proxies = {},
    looked_at = {},
    draft = { admin = { address = ADMIN }, listeners = {}, routes = {},
      policies = { { name = "metrics" } } } }
  context.store.mesh = mesh_config.read(context.store)
  context.workloads = workloads.all(context.store)
  context.gateway_workloads = gateway_api.workloads(context.store)
  for _, gateway in ipairs(context.store:all(GATEWAY)) do
    local workload = context.gateway_workloads[gateway]
    if workload then workloads.add(context.workloads, workload) end
  end
  context.services, context.services_by_name = services.all(context.store, context.workloads)
  service_entries.add(context.store, context.services_by_name, context.workloads)
  context.waypoints = waypoints.all(context.store, context.workloads)
  for _, service in ipairs(context.services) do
    service.account = services.account(service)
    service.waypoint = waypoints.serving(context.store, context.waypoints, service, service.behind)
  end
  context.backend_tls = backend_tls.new(context)
  context.peers = peer_authentication.new(context.store)
  context.telemetries = telemetries.new(context.store)
  for _, object in ipairs(context.telemetries.all) do telemetry_metrics.check(object) end
  context.backends = backends.new(context.store, context.services_by_name, options.port_offset, context.backend_tls,
    context.peers)
  context.backends.rules = destination_rules.new(context.store)
  context.authorization = authorization.new(context.store, context.workloads, context.backends)
  function context.backends.guard(service, port, listener_port)
    return context.authorization:guard_service(service, port, context.origins, listener_port)
  end
  context.backends.hops = subset_hops.find(context)
  return context
end

local function tail_text(path, from)
  local parts = {}
  for i = from, #path do parts[#parts + 1] = tostring(path[i]) end
  return table.concat(parts, ".")
end

--- Where the model's check finds a mistake is said in the words of the files.
local function reporter(context, notes)
  return function(path, message)
    local part, conf_at = context.draft, nil
    for i, step in ipairs(path) do
      part = type(part) == "table" and part[step] or nil
      if step == "conf" then conf_at = i end
      local origin = context.origins[part]
      if origin then
        local policy, rule = origin[1], origin[2]
        return policy:refuse({ "spec", "rules", rule }, tail_text(path, i + 1) .. ": " .. message)
      end
    end
    local file, line = (model.at(context.draft, path) or ""):match("^(.*):(%d+)$")
    if conf_at then message = tail_text(path, conf_at + 1) .. ": " .. message end
    table.insert(notes.errors, { file = file or "", line = tonumber(line) or 1, message = message })
  end
end

--- Sorted as in the files, each said once: a mistake may be met on the way to several listeners.
local function tidy(list)
  local seen, kept = {}, {}
  for _, note in ipairs(list) do
    local text = ("%s:%d: %s"):format(note.file, note.line, note.message)
    if not seen[text] then kept[#kept + 1] = note end
    seen[text] = true
  end
  table.sort(kept, function(a, b)
    if a.file ~= b.file then return a.file < b.file end
    if a.line ~= b.line then return a.line < b.line end
    return a.message < b.message
  end)
  return kept
end

local function build(objects, options, notes)
  local context = gather(objects, options)
  context.draft.services = context.backends.services
  gateway_api.judge(context)
  mesh.add(context)
  ingress.add(context)
  gateway_api.add(context)
  traffic_extensions.add(context)
  access_logs.add(context)
  for _, listener in ipairs(context.draft.listeners) do
    listener.path_normalization = context.store.mesh.path_normalization
  end
  context.authorization:warn_unused()
  context.peers:warn_unused()
  context.backends.rules:warn_unused()
  context.backends:finish()
  context.draft.source = options.source
  -- A Gateway none of whose listeners can be served is said in warnings; a later reload may mend it.
  local may_be_idle = next(context.gateway_workloads) ~= nil
  if #context.draft.listeners == 0 and #notes.errors == 0 and not may_be_idle then
    table.insert(notes.errors, { file = options.source, line = 1,
      message = "nothing to serve: expected a Service with a clusterIP and ports, or a Gateway with servers" })
  end
  return #notes.errors == 0 and model.check(context.draft, reporter(context, notes), { by_specificity = false,
    may_be_idle = may_be_idle }) or nil, context
end

local function read(files, options)
  local notes = { errors = {}, warnings = {}, objects = {} }
  local objects = reader.read(files, notes)
  local made, context = build(objects, { port_offset = options and options.port_offset,
    tls = options and options.tls, source = files[1] }, notes)
  if options and options.on_objects then options.on_objects(notes.objects) end
  return made, tidy(notes.errors), tidy(notes.warnings), context
end

--- Reads files of manifests.
-- @param files array of paths
-- @param options table or nil: { port_offset = number added to the ports that the gateway binds, tls = moongate.tls to
-- try certificates and keys with, on_objects =
-- function(objects), called with all that was read (object.lua), those with mistakes too }
-- @return the model, or nil when there are errors; errors and warnings, arrays of { file =, line =, message = }
function manifests.load(files, options)
  local made, errors, warnings = read(files, options)
  return #errors == 0 and made or nil, errors, warnings
end

--- The conditions of the Gateway API's objects in files of manifests, as gateway_api/status.lua gives them; and the
-- errors, as of load().
-- @param options as of load(), and is_here = function(IP address): whether the machine has it; nil: all are taken
function manifests.status(files, options)
  local _, errors, _, context = read(files, options)
  if options and options.is_here then gateway_api.try_addresses(context, options.is_here) end
  return status.of(context), errors
end

return manifests
