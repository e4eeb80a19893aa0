--- backend_tls: BackendTLSPolicies: how a service's endpoints are called by TLS.
-- Where several speak for one port, the older one counts and the others are in conflict; one for the port by name goes
-- before one for the whole service. One that cannot be honoured leaves nobody to call: nothing goes out in clear text.
local age = require "moongate.config.manifests.gateway_api.age"
local certificates = require "moongate.config.manifests.gateway_api.certificates"
local conditions = require "moongate.config.manifests.gateway_api.conditions"
local names = require "moongate.config.manifests.names"

local backend_tls = {}
backend_tls.__index = backend_tls

local KIND = "gateway.networking.k8s.io/BackendTLSPolicy"
local CA_PATH = { "spec", "validation", "caCertificateRefs" }

local function fail(policy, kind, reason, message, path)
  policy.conditions:fail(kind, reason, message)
  policy:warn(path, message)
end

local function authorities_of(context, policy)
  local validation, found = policy.spec.validation, {}
  local refs, well_known = validation.caCertificateRefs or {}, validation.wellKnownCACertificates
  if (#refs > 0) == (well_known ~= nil) then
    policy:refuse({ "spec", "validation" }, "expected one of caCertificateRefs and wellKnownCACertificates")
  elseif well_known and well_known ~= "System" then
    fail(policy, "Accepted", "Invalid", ("wellKnownCACertificates %s is not supported; System is"):format(well_known),
      { "spec", "validation", "wellKnownCACertificates" })
  end
  for i, ref in ipairs(refs) do
    local ca, reason, why = certificates.backend_ca(context, policy, ref)
    if ca then
      found[#found + 1] = ca
    else
      fail(policy, "ResolvedRefs", reason, why, { CA_PATH[1], CA_PATH[2], CA_PATH[3], i })
    end
  end
  if #refs > 0 and #found == 0 then
    fail(policy, "Accepted", "NoValidCACertificate", "none of its authorities' certificates can be used", CA_PATH)
  end
  return table.concat(found, "\n") -- none: those of the system
end

-- The names of which the backend's certificate must carry one, apart by blanks; none: the hostname.
local function names_of(policy)
  local list = {}
  for i, entry in ipairs(policy.spec.validation.subjectAltNames or {}) do
    local field = entry.type == "URI" and "uri" or "hostname"
    if not entry[field] or entry.uri and entry.hostname then
      policy:refuse({ "spec", "validation", "subjectAltNames", i }, ("type %s needs %s, and that alone"):format(
        entry.type, field))
    else
      list[#list + 1] = entry[field]
    end
  end
  return #list > 0 and table.concat(list, " ") or nil
end

local function has_port(service, name)
  for _, ports in ipairs { service.ports, service.others } do
    for _, port in ipairs(ports) do
      if port.name == name then return true end
    end
  end
  return false
end

-- Claims the targets of a policy, unless an older one has them.
local function claim(self, policy)
  policy.targets = {}
  for i, ref in ipairs(policy.spec.targetRefs) do
    local path, host = { "spec", "targetRefs", i }, names.service(ref.name, policy.namespace)
    local service = ref.kind == "Service" and ref.group == "" and self.services[host]
    local key = ref.sectionName or ""
    self.claims[host] = self.claims[host] or {}
    if not service then
      fail(policy, "Accepted", "TargetNotFound", ("there is no %s %s in this namespace that it could count for")
        :format(ref.kind, ref.name), path)
    elseif ref.sectionName and not has_port(service, ref.sectionName) then
      fail(policy, "Accepted", "TargetNotFound", ("%s has no port named %s"):format(service.fqdn, ref.sectionName),
        path)
    elseif self.claims[host][key] then
      local other = self.claims[host][key]
      fail(policy, "Accepted", "Conflicted", ("%s at %s speaks for it already"):format(other.name, other:place()), path)
      table.insert(policy.targets, { service = service, section = ref.sectionName, ref = ref })
    else
      self.claims[host][key] = policy
      policy:attach("service " .. host)
      table.insert(policy.targets, { service = service, section = ref.sectionName, ref = ref })
    end
  end
end

--- @param context { store, services_by_name }
function backend_tls.new(context)
  local self = setmetatable({ claims = {}, services = context.services_by_name, used = {} }, backend_tls)
  self.policies = age.sorted(context.store:all(KIND))
  for _, policy in ipairs(self.policies) do
    policy.conditions = conditions.new { "Accepted", "ResolvedRefs" }
    local ca, verify = authorities_of(context, policy), names_of(policy)
    local valid = policy.conditions:holds "Accepted"
    claim(self, policy)
    local spec = policy.spec.validation
    policy.tls = valid and { ca = ca, sni = spec.hostname:lower(), verify = verify } or nil
  end
  return self
end

--- The policy that counts for a port of a service, or nil; its `tls` is nil when it cannot be honoured.
function backend_tls:of(service, port)
  local claims = self.claims[service.fqdn]
  return claims and (claims[port.name or ""] or claims[""])
end

--- The TLS settings of the model for a port of a service: nil when it is called in clear text; or nil and true when
-- nothing may be sent.
-- @param client { cert, key } or nil
function backend_tls:client(service, port, client)
  local policy = self:of(service, port)
  if not policy then return nil end
  if not policy.tls then return nil, true end
  local tls = policy.tls
  return { ca = tls.ca, sni = tls.sni, verify = tls.verify, cert = client and client.cert, key = client and client.key }
end

--- Notes who calls a port that policies speak for: a Gateway, or (in a mesh) the route.
function backend_tls:note(service, port, caller)
  local key = service.fqdn .. " " .. (port.name or "")
  self.used[key] = self.used[key] or {}
  if not self.used[key][caller] then
    self.used[key][caller] = true
    table.insert(self.used[key], caller)
  end
end

--- The Gateways through which a policy counts (or would, without an older one).
function backend_tls:gateways(policy)
  local list, seen = {}, {}
  for _, target in ipairs(policy.targets) do
    for _, ports in ipairs { target.service.ports, target.service.others } do
      for _, port in ipairs(ports) do
        local used = self.used[target.service.fqdn .. " " .. (port.name or "")]
        for _, caller in ipairs((not target.section or target.section == port.name) and used or {}) do
          if caller.kind == "Gateway" and not seen[caller] then list[#list + 1] = caller end
          seen[caller] = true
        end
      end
    end
  end
  return list
end

return backend_tls
