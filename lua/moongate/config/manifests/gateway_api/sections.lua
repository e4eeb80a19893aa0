--- sections: one listener of a Gateway or ListenerSet, judged by itself: protocol, host, kinds of route, certificates.
-- What it has to do with its neighbours is for listeners.lua to judge.
local address = require "moongate.model.address"
local certificates = require "moongate.config.manifests.gateway_api.certificates"
local conditions = require "moongate.config.manifests.gateway_api.conditions"
local path_of = require "moongate.config.manifests.path"

local sections = {}

local GROUP = "gateway.networking.k8s.io"
local SERVED = { HTTP = true, HTTPS = true }
local ROUTES = { "HTTPRoute", "GRPCRoute" }

--- Notes a failure of a section and warns of it where it stands.
function sections.fail(section, kind, reason, message, path)
  section.conditions:fail(kind, reason, message)
  section.object:warn(path or section.path, message)
end

local WITHOUT_HOST = { TCP = true, UDP = true }

local function host_of(object, path, spec)
  if spec.hostname and WITHOUT_HOST[spec.protocol] then
    return object:refuse(path_of(path, "hostname"), spec.protocol .. " knows no hosts")
  end
  if not spec.hostname then return "*" end
  local host, why = address.host_pattern(spec.hostname)
  if host and not address.is_ip(host) then return host end
  object:refuse(path_of(path, "hostname"), ("bad host %q; %s"):format(spec.hostname, why or "expected no IP address"))
end

local function allows(kinds, name)
  for _, entry in ipairs(kinds) do
    if entry.group == GROUP and entry.kind == name then return true end
  end
  return false
end

-- The kinds of route that it takes; those that it allows and nobody here serves are named.
local function judge_kinds(section)
  local kinds = section.spec.allowedRoutes.kinds or {}
  for i, entry in ipairs(kinds) do
    local known = entry.group == GROUP and (entry.kind == ROUTES[1] or entry.kind == ROUTES[2])
    if not known or not SERVED[section.spec.protocol] then
      sections.fail(section, "ResolvedRefs", "InvalidRouteKinds", ("%s takes no routes of kind %s (%s)"):format(
        section.spec.protocol, entry.kind, entry.group), path_of(section.path, "allowedRoutes", "kinds", i))
    end
  end
  if not SERVED[section.spec.protocol] then return end
  for _, name in ipairs(ROUTES) do
    if #kinds == 0 or allows(kinds, name) then
      section.kinds[name] = true
      table.insert(section.kinds, name)
    end
  end
  if #section.kinds == 0 then
    sections.fail(section, "Programmed", "Invalid", "takes no kind of route that is supported, so it is not served")
  end
end

-- Certificates of an HTTPS section; without one that can be used nobody can connect to it.
local function judge_certificates(context, section)
  local tls = section.spec.tls
  if not tls then return section.object:refuse(section.path, "HTTPS needs tls") end
  if tls.mode ~= "Terminate" then
    return section.object:refuse(section.path, "HTTPS needs tls.mode Terminate")
  end
  for i, ref in ipairs(tls.certificateRefs or {}) do
    local pair, reason, why = certificates.pair(context, section.object, ref)
    if pair then
      table.insert(section.certs, pair)
    else
      sections.fail(section, "ResolvedRefs", reason, why, path_of(section.path, "tls", "certificateRefs", i))
    end
  end
  if #section.certs > 0 then return end
  if #(tls.certificateRefs or {}) == 0 then
    section.conditions:fail("ResolvedRefs", "InvalidCertificateRef", "HTTPS needs a certificate")
    section.object:refuse(path_of(section.path, "tls"), "HTTPS needs certificateRefs")
  end
  sections.fail(section, "Programmed", "Invalid", "has no certificate that can be used, so it is not served")
end

--- Judges listener `i` of a Gateway or ListenerSet.
-- @return { object, path, spec, host, port, name, certs, kinds = array and set of names, attached = number of routes,
-- taken = their hosts by kind, conditions }; nil where the API itself would not have taken it, which is refused
function sections.new(context, object, i)
  local spec, path = object.spec.listeners[i], { "spec", "listeners", i }
  local host = host_of(object, path, spec)
  if spec.protocol ~= "HTTPS" and spec.protocol ~= "TLS" and spec.tls then
    object:refuse(path, ("tls stands with HTTPS and TLS, not with %s"):format(spec.protocol))
  elseif spec.protocol == "TLS" and not spec.tls then
    object:refuse(path, "TLS needs tls")
  end
  if not host then return nil end
  local section = { object = object, path = path, spec = spec, host = host, port = spec.port, name = spec.name,
    kinds = {}, certs = {}, attached = 0, taken = {},
    conditions = conditions.new { "Accepted", "Programmed", "ResolvedRefs", "Conflicted" } }
  judge_kinds(section)
  if spec.protocol == "HTTPS" then judge_certificates(context, section) end
  return section
end

--- Whether a section's protocol is one of those served here.
function sections.is_supported(section)
  return SERVED[section.spec.protocol] or false
end

--- Fails a section whose protocol nobody here speaks.
function sections.refuse_protocol(section)
  local message = section.spec.protocol .. " is not supported, so it is not served"
  section.conditions:fail("Programmed", "Invalid", message)
  sections.fail(section, "Accepted", "UnsupportedProtocol", message, path_of(section.path, "protocol"))
end

--- Whether requests reach it: everything that it needs is there.
function sections.is_served(section)
  return section.conditions:holds "Accepted" and section.conditions:holds "Programmed"
end

return sections
