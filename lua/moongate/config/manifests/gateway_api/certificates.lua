--- certificates: what references to Secrets and ConfigMaps give: key pairs, and authorities' certificates.
-- A reference that cannot be used gives nil, the reason as the API calls it, and a message.
local base64 = require "moongate.base64"
local grants = require "moongate.config.manifests.gateway_api.grants"

local certificates = {}

local PAIR = { kinds = { Secret = true }, expected = "Secret", kind = "InvalidCertificateRef",
  ref = "InvalidCertificateRef" }
local CLIENT_PAIR = { kinds = { Secret = true }, expected = "Secret", kind = "InvalidClientCertificateRef",
  ref = "InvalidClientCertificateRef" }
local CA = { kinds = { ConfigMap = true, Secret = true }, expected = "ConfigMap", kind = "InvalidCACertificateKind",
  ref = "InvalidCACertificateRef" }
local BACKEND_CA = { kinds = CA.kinds, expected = "ConfigMap", kind = "InvalidKind", ref = CA.ref }

local function resolve(context, object, ref, rules)
  if ref.group ~= "" or not rules.kinds[ref.kind] then
    return nil, rules.kind, ("%s of group %q is not supported; expected a %s"):format(ref.kind, ref.group,
      rules.expected)
  end
  local namespace = ref.namespace or object.namespace
  if not grants.allow(context.store, object, ref.kind, namespace, ref.name) then
    return nil, "RefNotPermitted", ("no ReferenceGrant lets it use the %s %s of the namespace %s"):format(ref.kind,
      ref.name, namespace)
  end
  local found = context.store:get("/" .. ref.kind, namespace, ref.name)
  if found then return found end
  return nil, rules.ref, ("there is no %s %s in the namespace %s"):format(ref.kind, ref.name, namespace)
end

local function text_of(object, key)
  local body = object.body
  if object.kind == "ConfigMap" then return body.data[key] end
  local coded = body.data[key]
  return body.stringData[key] or coded and base64.decode((coded:gsub("%s", "")))
end

-- The core's TLS library, which tries what was read; nil: it is not there (unit specs). Every worker tries it, too:
-- a Gateway is served where it is, whoever judges it.
local function library()
  return package.loaded["moongate.cdef"] and require "moongate.tls"
end

local function check_pair(pair)
  if not pair.cert or not pair.key then return "expected tls.crt and tls.key" end
  if not pair.cert:find("%-%-BEGIN [%u ]*CERTIFICATE%-%-") then return "tls.crt has no certificate in PEM" end
  if not pair.key:find("%-%-BEGIN [%u ]*PRIVATE KEY%-%-") then return "tls.key has no private key in PEM" end
  local tls = library()
  return tls and tls.pair_mistake(pair)
end

local function check_ca(text)
  if not text then return "expected ca.crt" end
  if not text:find("%-%-BEGIN [%u ]*CERTIFICATE%-%-") then return "ca.crt has no certificate in PEM" end
  local tls = library()
  return tls and tls.authority_mistake(text)
end

local function pair_of(context, object, ref, rules)
  local secret, reason, message = resolve(context, object, ref, rules)
  if not secret then return nil, reason, message end
  if not secret.pair then
    secret.pair = { cert = text_of(secret, "tls.crt"), key = text_of(secret, "tls.key"), name = secret:place() }
    secret.pair_why = check_pair(secret.pair)
  end
  if not secret.pair_why then return secret.pair end
  return nil, rules.ref, ("the Secret %s cannot be used: %s"):format(ref.name, secret.pair_why)
end

local function ca_of(context, object, ref, rules)
  local holder, reason, message = resolve(context, object, ref, rules)
  if not holder then return nil, reason, message end
  if holder.ca == nil then
    holder.ca = text_of(holder, "ca.crt") or false
    holder.ca_why = check_ca(holder.ca)
  end
  if not holder.ca_why then return holder.ca end
  return nil, rules.ref, ("the %s %s cannot be used: %s"):format(ref.kind, ref.name, holder.ca_why)
end

--- The key pair { cert, key, name } of a listener's certificateRef.
function certificates.pair(context, object, ref) return pair_of(context, object, ref, PAIR) end

--- The same for a Gateway's clientCertificateRef.
function certificates.client_pair(context, object, ref) return pair_of(context, object, ref, CLIENT_PAIR) end

--- The PEM text of authorities whose clients a Gateway takes.
function certificates.client_ca(context, object, ref) return ca_of(context, object, ref, CA) end

--- The PEM text of authorities that a BackendTLSPolicy trusts; it stands in the policy's own namespace.
function certificates.backend_ca(context, object, ref) return ca_of(context, object, ref, BACKEND_CA) end

return certificates
