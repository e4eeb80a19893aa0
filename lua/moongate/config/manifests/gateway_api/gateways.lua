--- gateways: a Gateway judged as a whole: its class, its addresses, what it refers to, and what its listeners came to.
local address = require "moongate.model.address"
local certificates = require "moongate.config.manifests.gateway_api.certificates"
local conditions = require "moongate.config.manifests.gateway_api.conditions"
local sections = require "moongate.config.manifests.gateway_api.sections"

local gateways = {}

local CLASS = "gateway.networking.k8s.io/GatewayClass"
local WAYPOINT = { ["istio-mesh"] = true, ["istio-waypoint"] = true }

--- Whether a Gateway is one that takes requests from outside, not a waypoint.
function gateways.is_served(store, gateway)
  local class = gateway.spec.gatewayClassName
  if WAYPOINT[class] then return false end
  return class == "istio" or class == "moongate" or store:get(CLASS, nil, class) ~= nil
end

local function fail(gateway, kind, reason, message, path)
  gateway.conditions:fail(kind, reason, message)
  gateway:warn(path, message)
end

-- Parameters mean something to whoever creates pods; those that are there are taken without effect.
local function judge_parameters(store, object, ref, namespace, path)
  if not ref then return end
  local found = ref.group == "" and ref.kind == "ConfigMap" and store:get("/ConfigMap", namespace, ref.name)
  if found then
    object:warn(path, "has no effect here: it is about the pods of a cluster")
  else
    fail(object, "Accepted", "InvalidParameters", ("%s %s (%s) is no ConfigMap that could be read"):format(ref.kind,
      ref.name, ref.group), path)
  end
end

local function judge_addresses(gateway)
  gateway.addresses = {}
  for i, entry in ipairs(gateway.spec.addresses or {}) do
    local path = { "spec", "addresses", i }
    if entry.type ~= "IPAddress" then
      fail(gateway, "Accepted", "UnsupportedAddress", ("addresses of type %s are not supported; IPAddress is")
        :format(entry.type), path)
    elseif entry.value ~= "" and not address.is_ip(entry.value) then
      path[4] = "value"
      gateway:refuse(path, ("expected an IP address, got %q"):format(entry.value))
    else
      table.insert(gateway.addresses, entry.value ~= "" and entry.value or "0.0.0.0")
    end
  end
  if #gateway.addresses == 0 then gateway.addresses[1] = "0.0.0.0" end
end

-- The certificate by which the Gateway names itself to backends that speak TLS.
local function judge_client_certificate(context, gateway)
  local ref = gateway.spec.tls and gateway.spec.tls.backend and gateway.spec.tls.backend.clientCertificateRef
  if not ref then return end
  local pair, reason, why = certificates.client_pair(context, gateway, ref)
  if not pair then fail(gateway, "ResolvedRefs", reason, why, { "spec", "tls", "backend", "clientCertificateRef" }) end
  gateway.client_pair = pair
end

--- Judges all of a Gateway but its listeners; sets its `conditions`, `addresses` and `client_pair`.
function gateways.judge(context, gateway)
  gateway.conditions = conditions.new { "Accepted", "Programmed", "ResolvedRefs" }
  local infrastructure = gateway.spec.infrastructure
  judge_parameters(context.store, gateway, infrastructure and infrastructure.parametersRef, gateway.namespace,
    { "spec", "infrastructure", "parametersRef" })
  judge_addresses(gateway)
  judge_client_certificate(context, gateway)
end

--- Judges a GatewayClass.
function gateways.judge_class(store, class)
  class.conditions = conditions.new { "Accepted" }
  local ref = class.spec.parametersRef
  judge_parameters(store, class, ref, ref and ref.namespace, { "spec", "parametersRef" })
end

--- A waypoint is served by the listeners of the services that pass it; waypoints.lua refuses what is wrong with it.
function gateways.judge_waypoint(gateway)
  if not WAYPOINT[gateway.spec.gatewayClassName] then return end
  gateway.conditions, gateway.addresses = conditions.new { "Accepted", "Programmed" }, {}
end

--- Notes for the status which addresses are not this machine's: a gateway that runs here could not be bound there.
-- Elsewhere it might, so nothing but the status depends on it.
-- @param is_here function(IP address)
function gateways.try_addresses(gateway, is_here)
  for _, value in ipairs(gateway.conditions and gateway.addresses or {}) do
    if not is_here(value) then
      gateway.conditions:fail("Programmed", "AddressNotUsable", value .. " is no address of this machine")
      for _, section in ipairs(gateway.sections or {}) do
        section.conditions:fail("Programmed", "Pending", "the Gateway's address cannot be used")
      end
    end
  end
end

local function count(list, wanted)
  local number = 0
  for _, section in ipairs(list) do number = number + (wanted(section) and 1 or 0) end
  return number
end

local function is_resolved(section) return section.conditions:holds "ResolvedRefs" end
local function is_accepted(section) return section.conditions:holds "Accepted" end

-- A set is taken when one of its listeners is served.
local function finish_set(gateway, set)
  local served = count(set.sections, sections.is_served)
  if served == 0 then
    set.conditions:fail("Accepted", "ListenersNotValid", "none of its listeners can be served")
    set.conditions:fail("Programmed", "ListenersNotValid", "none of its listeners can be served")
  else
    gateway.attached_sets = gateway.attached_sets + 1
    if served < #set.sections then
      set.conditions:set("Accepted", true, "ListenersNotValid", "some of its listeners cannot be served")
    end
  end
end

--- Says of a Gateway and its ListenerSets what became of their listeners.
-- @param sets the ListenerSets that may add to it
function gateways.finish(gateway, sets)
  gateway.attached_sets = 0
  for _, set in ipairs(sets) do finish_set(gateway, set) end
  local own = gateway.conditions
  if not own:holds "Accepted" then
    own:fail("Programmed", "Invalid", "is not accepted")
    for _, section in ipairs(gateway.sections) do
      section.conditions:fail("Programmed", "Pending", "the Gateway is not accepted")
    end
    return
  end
  if count(gateway.sections, is_resolved) < #gateway.sections then
    own:fail("ResolvedRefs", "ListenersNotResolved", "some of its listeners refer to what cannot be used")
  end
  local accepted = count(gateway.sections, is_accepted)
  if accepted == 0 and gateway.attached_sets == 0 then
    own:fail("Accepted", "ListenersNotValid", "none of its listeners can be served")
  elseif accepted < #gateway.sections then
    own:set("Accepted", true, "ListenersNotValid", "some of its listeners cannot be served")
  end
  if count(gateway.sections, sections.is_served) == 0 and gateway.attached_sets == 0 then
    own:fail("Programmed", "Invalid", "none of its listeners can be served")
  end
end

return gateways
