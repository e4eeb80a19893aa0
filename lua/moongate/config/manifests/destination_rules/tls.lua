--- tls: a DestinationRule's tls as the model's: which certificates, and whose name must be in the other side's.
-- Rules: ClientTLSSettings. Without `sni` the host of the service is sent and verified: connections are shared by
-- requests of any Host.
local base64 = require "moongate.base64"
local path_of = require "moongate.config.manifests.path"
local sources = require "moongate.config.sources"

local tls = {}

local FILES = { "clientCertificate", "privateKey", "caCertificates" }
local ALONE = { "clientCertificate", "privateKey", "caCertificates", "credentialName", "insecureSkipVerify" }
local SYSTEM = { system = true, ["file-root:system"] = true }

local function refuse(block, name, message)
  block.rule:refuse(name and path_of(block.path, name) or block.path, message)
end

-- The PEM text of a file, by its absolute path or beside the rule's own file.
local function read(block, name)
  local path = block.value[name]
  local folder = block.rule.file:match("^(.*/)") or ""
  local text, why = sources.read_pem(path:sub(1, 1) == "/" and path or folder .. path)
  if not text then return refuse(block, name, ("cannot be read: %s"):format(why)) end
  if not text:find("-----BEGIN ", 1, true) then return refuse(block, name, "holds no PEM text") end
  return text
end

-- ---- credentialName -------------------------------------------------------------------------

local function value_of(object, ...)
  for _, key in ipairs { ... } do
    local plain = (object.body.stringData or {})[key]
    local coded = object.body.data[key]
    if object.kind == "ConfigMap" then plain, coded = coded, nil end
    local value = plain or coded and base64.decode((coded:gsub("%s", "")))
    if value then return value end
  end
end

-- In the caller's namespace, as Istio looks, or beside the rule.
local function find(block, store, kind, name, namespace)
  return namespace and store:get(kind, namespace, name) or store:get(kind, block.rule.namespace, name)
end

local function credentials(block, store, client)
  local name, kind = block.value.credentialName, "/Secret"
  local namespace = client and client.namespace
  local map = name:match("^configmap://(.+)$")
  if map then name, kind = map, "/ConfigMap" end
  local object = find(block, store, kind, name, namespace)
  if not object then
    return refuse(block, "credentialName", ("there is no %s %s in the namespace %s"):format(kind:sub(2), name,
      namespace or block.rule.namespace))
  end
  local ca = value_of(object, "ca.crt", "cacert")
  if not ca then
    local other = find(block, store, kind, name .. "-cacert", namespace)
    ca = other and value_of(other, "cacert", "ca.crt")
  end
  return { ca = ca, cert = value_of(object, "tls.crt", "cert"), key = value_of(object, "tls.key", "key") }
end

-- ---- modes ----------------------------------------------------------------------------------

local function check(block)
  local settings, mutual = block.value, block.value.mode == "MUTUAL"
  if settings.credentialName then
    for _, name in ipairs(FILES) do
      if settings[name] then refuse(block, name, "stands without credentialName") end
    end
  elseif mutual and not (settings.clientCertificate and settings.privateKey) then
    refuse(block, nil, "MUTUAL needs clientCertificate and privateKey, or credentialName")
  end
  if not mutual then
    for _, name in ipairs { "clientCertificate", "privateKey" } do
      if settings[name] then refuse(block, name, "stands with MUTUAL only") end
    end
  end
  for i, name in ipairs(settings.subjectAltNames or {}) do
    if name == "" or name:find("[%s%c]") then
      block.rule:refuse(path_of(block.path, "subjectAltNames", i), ("expected a name, got %q"):format(name))
    end
  end
  for _, name in ipairs { "caCertificates", "subjectAltNames" } do
    if settings.insecureSkipVerify and settings[name] then
      refuse(block, "insecureSkipVerify", ("stands without %s"):format(name))
    end
  end
end

-- Refuses what the core's TLS library does not take, where it is there (unit specs run without).
local function try(block, made)
  if not package.loaded["moongate.cdef"] then return end
  local mistake = require("moongate.tls").try({ listeners = {}, services = { { name = "", at = "", tls = made } } })[1]
  if mistake then refuse(block, nil, (mistake.message:gsub("^service : ", ""))) end
end

local function originate(block, store, service, client)
  local settings = block.value
  check(block)
  local found = {}
  if settings.credentialName then
    found = credentials(block, store, client) or {}
  else
    if settings.caCertificates and not SYSTEM[settings.caCertificates] then found.ca = read(block, "caCertificates") end
    if settings.mode == "MUTUAL" and settings.clientCertificate and settings.privateKey then
      found.cert, found.key = read(block, "clientCertificate"), read(block, "privateKey")
    end
  end
  if settings.mode == "MUTUAL" and settings.credentialName and not (found.cert and found.key) then
    refuse(block, "credentialName", "has no certificate and key: expected tls.crt and tls.key, or cert and key")
  end
  local names = settings.subjectAltNames or service.subject_alt_names
  local mutual = settings.mode == "MUTUAL"
  local made = { ca = found.ca, cert = mutual and found.cert or nil, key = mutual and found.key or nil,
    sni = settings.sni or service.host or service.fqdn, verify = names and #names > 0 and names or nil,
    insecure = settings.insecureSkipVerify or nil }
  try(block, made)
  return made
end

-- The principals of those behind a service.
local function principals(service)
  local list, seen = {}, {}
  for _, workload in ipairs(service.behind) do
    local principal = workload.metadata.principal
    if not seen[principal] then list[#list + 1] = principal end
    seen[principal] = true
  end
  return list
end

local function istio_mutual(block, service, client)
  local identity, settings = client and client.identity, block.value
  for _, name in ipairs(ALONE) do
    if settings[name] then refuse(block, name, "stands without ISTIO_MUTUAL, which has the mesh's own") end
  end
  if not identity then
    return refuse(block, "mode", ("ISTIO_MUTUAL needs an identity, and who calls %s has none"):format(service.fqdn))
  end
  local names = settings.subjectAltNames or service.subject_alt_names or principals(service)
  if #names == 0 then
    return refuse(block, "mode", ("ISTIO_MUTUAL: nothing says who answers for %s; expected subjectAltNames, or a "
      .. "serviceAccount of its endpoints"):format(service.fqdn))
  end
  return { ca = identity.root, cert = identity.cert, key = identity.key, sni = settings.sni or service.fqdn,
    verify = names }
end

--- The model's tls for a service whose endpoints are called.
-- @param block of policy.blocks(), or nil
-- @param client { namespace =, identity = } of the caller, or nil
-- @param in_mesh "tls" when the call has come through the service's own listener, which ended the mesh's TLS; "clear"
-- when that listener speaks none; else false
-- @return tls, or nil: clear text, or a mistake that is refused
function tls.of(block, store, service, client, in_mesh)
  local mode = block and block.value.mode or "DISABLE"
  if mode == "DISABLE" then return nil end
  if mode ~= "ISTIO_MUTUAL" then return originate(block, store, service, client) end
  if not in_mesh then return istio_mutual(block, service, client) end
  if in_mesh == "clear" then
    block.rule:warn(path_of(block.path, "mode"),
      ("has no effect: %s has no identity, so its listener speaks clear text"):format(service.fqdn))
  end
  return nil
end

return tls
