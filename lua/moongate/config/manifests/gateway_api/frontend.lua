--- frontend: which client certificates the HTTPS listeners of a Gateway ask for (Gateway.spec.tls.frontend).
local certificates = require "moongate.config.manifests.gateway_api.certificates"
local path_of = require "moongate.config.manifests.path"
local sections = require "moongate.config.manifests.gateway_api.sections"

local frontend = {}

-- What is said for a port goes before what is said for all of them.
local function validation_of(gateway, port)
  local spec = gateway.spec.tls and gateway.spec.tls.frontend
  if not spec then return nil end
  for i, entry in ipairs(spec.perPort or {}) do
    if entry.port == port then
      return entry.tls.validation, { "spec", "tls", "frontend", "perPort", i, "tls", "validation" }
    end
  end
  return spec.default.validation, { "spec", "tls", "frontend", "default", "validation" }
end

local function fail_all(list, kind, reason, message)
  for _, section in ipairs(list) do section.conditions:fail(kind, reason, message) end
end

--- The clients that a port of a Gateway takes. Where authorities are named and none of them can be used, none of the
-- port's sections is served: that fails closed.
-- @param list the port's sections, whose conditions say what is wrong
-- @return nil: anyone; or { ca = PEM, auth = client_auth of the model }
function frontend.of_port(context, gateway, port, list)
  local validation, path = validation_of(gateway, port)
  if not validation then return nil end
  local found = {}
  for i, ref in ipairs(validation.caCertificateRefs) do
    local ca, reason, why = certificates.client_ca(context, gateway, ref)
    if ca then
      found[#found + 1] = ca
    else
      fail_all(list, "ResolvedRefs", reason, why)
      gateway:warn(path_of(path, "caCertificateRefs", i), why)
    end
  end
  local insecure = validation.mode == "AllowInsecureFallback"
  if insecure then
    gateway.conditions:set("InsecureFrontendValidationMode", true, "ConfigurationChanged",
      ("port %d takes clients without a valid certificate (AllowInsecureFallback)"):format(port))
  end
  if #found == 0 then
    local message = "names authorities for client certificates, and none of them can be used; not served"
    fail_all(list, "Programmed", "Invalid", message)
    for _, section in ipairs(list) do sections.fail(section, "Accepted", "NoValidCACertificate", message) end
    return nil
  end
  return { ca = table.concat(found, "\n"), auth = insecure and "any" or "require" }
end

return frontend
