--- TLS of an Istio Gateway's server: its certificates, and which clients may come (ServerTLSSettings).
--
-- Secrets stand where the gateway's pods run; their keys are those that Istio's ingress gateway knows.
local path_to = require "moongate.config.manifests.path"
local sources = require "moongate.config.sources"
local workloads = require "moongate.config.manifests.workloads"

local gateway_tls = {}

local AUTH = { SIMPLE = "none", MUTUAL = "require", OPTIONAL_MUTUAL = "request", ISTIO_MUTUAL = "require" }
local VERSIONS = { TLS_AUTO = 0, TLSV1_0 = 10, TLSV1_1 = 11, TLSV1_2 = 12, TLSV1_3 = 13 }
local PAIR = { { "tls.crt", "tls.key" }, { "cert", "key" } } -- of a Secret of type kubernetes.io/tls, or a generic one
local CA = { "ca.crt", "cacert" }
local CA_SUFFIX = "-cacert"
-- What the core offers, by OpenSSL's names.
local SUITES = { "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384" }
local FILES = { "serverCertificate", "privateKey", "caCertificates", "tlsCertificates" }
local SECRETS = { "credentialName", "credentialNames", "caCertCredentialName" }

-- ---- texts --------------------------------------------------------------------------------

local function file_text(self, step, name)
  local text, why = sources.read_pem(name)
  if not text then self.gateway:refuse(path_to(self.path, step), "cannot be read: " .. why) end
  return text
end

local function secret_named(self, name) return self.context.store:get("/Secret", self.namespace, name) end

local function ca_of_secret(secret)
  for _, key in ipairs(CA) do
    local text = secret and workloads.secret_text(secret, key)
    if text then return text end
  end
end

-- ---- certificates -------------------------------------------------------------------------

local function add_secret(self, path, name)
  local secret = secret_named(self, name)
  if not secret then
    return self.gateway:refuse(path, ("there is no Secret %s in the namespace %s"):format(name, self.namespace))
  end
  for _, keys in ipairs(PAIR) do
    local cert, key = workloads.secret_text(secret, keys[1]), workloads.secret_text(secret, keys[2])
    if cert and key then
      table.insert(self.tls.certs, { cert = cert, key = key, name = secret:place() })
      return workloads.try_pair(self.context.store, secret, { cert = cert, key = key }, keys[1], keys[2])
    end
  end
  secret:refuse({ "data" }, "expected tls.crt and tls.key")
end

local function add_files(self, entry, step)
  local cert, key = file_text(self, step, entry.serverCertificate), file_text(self, step, entry.privateKey)
  if cert and key then
    local pair = { cert = cert, key = key, name = entry.serverCertificate }
    table.insert(self.tls.certs, pair)
    local err = self.context.store.tls and self.context.store.tls.pair_mistake(pair)
    if err then self.gateway:refuse(path_to(self.path, step), err) end
  end
end

local function add_certificates(self, spec)
  local found = #(spec.credentialNames or {}) > 0 or spec.credentialName ~= nil
  if spec.credentialName and #(spec.credentialNames or {}) > 0 then
    self.gateway:refuse(path_to(self.path, "credentialNames"), "expected one of credentialName and credentialNames")
  end
  if found and (spec.serverCertificate or spec.tlsCertificates) then
    self.gateway:refuse(self.path, "expected certificates from Secrets or from files, found both")
  end
  if spec.credentialName then add_secret(self, path_to(self.path, "credentialName"), spec.credentialName) end
  for i, name in ipairs(spec.credentialNames or {}) do
    add_secret(self, path_to(self.path, "credentialNames", i), name)
  end
  if found then return end
  for _, entry in ipairs(spec.tlsCertificates or {}) do add_files(self, entry, "tlsCertificates") end
  if spec.serverCertificate and spec.privateKey then
    add_files(self, spec, "serverCertificate")
  elseif not (spec.tlsCertificates or {})[1] then
    self.gateway:refuse(self.path, ("%s needs credentialName, or serverCertificate and privateKey"):format(spec.mode))
  end
end

local function client_ca(self, spec)
  local name = spec.caCertCredentialName
  if name then return ca_of_secret(secret_named(self, name)) end
  local first = spec.credentialName or (spec.credentialNames or {})[1]
  if first then
    return ca_of_secret(secret_named(self, first .. CA_SUFFIX)) or ca_of_secret(secret_named(self, first))
  end
  return spec.caCertificates and file_text(self, "caCertificates", spec.caCertificates)
end

local function add_identity(self, spec, workload)
  for _, list in ipairs { FILES, SECRETS } do
    for _, field in ipairs(list) do
      if spec[field] then self.gateway:refuse(path_to(self.path, field), "cannot stand with ISTIO_MUTUAL") end
    end
  end
  local identity = workload and workloads.identity(self.context.store, workload.namespace, workload.account)
  if not identity then
    return self.gateway:refuse(path_to(self.path, "mode"), ("ISTIO_MUTUAL needs the gateway's own certificate, and "
      .. "there is no Secret istio.%s in the namespace %s"):format(workload and workload.account or "ACCOUNT",
      self.namespace))
  end
  table.insert(self.tls.certs, { cert = identity.cert, key = identity.key, name = identity.at })
  self.tls.client_ca = identity.root
end

-- ---- versions and suites ------------------------------------------------------------------

local function check_versions(self, spec)
  local min, max = VERSIONS[spec.minProtocolVersion], VERSIONS[spec.maxProtocolVersion]
  if max > 0 and max < math.max(min, 12) then
    return self.gateway:refuse(path_to(self.path, "maxProtocolVersion"), max < 12 and "TLS 1.2 is the oldest served"
      or "is older than minProtocolVersion")
  end
  if max == 12 then
    self.gateway:warn(path_to(self.path, "maxProtocolVersion"), "TLS 1.3 is taken too, where the library has it")
  end
  if min > 0 and min < 12 then
    self.gateway:warn(path_to(self.path, "minProtocolVersion"), "TLS 1.2 is the oldest served")
  end
  self.tls.min_version = min == 13 and "1.3" or "1.2"
end

-- Suites that the core does not have are never taken; but it cannot be told to leave one out.
local function check_suites(self, spec)
  if #(spec.cipherSuites or {}) == 0 then return end
  local listed, missing = {}, {}
  for _, name in ipairs(spec.cipherSuites) do listed[name] = true end
  for _, name in ipairs(SUITES) do
    if not listed[name] then missing[#missing + 1] = name end
  end
  if #missing > 0 then
    self.gateway:refuse(path_to(self.path, "cipherSuites"), "leaving suites out is not supported yet; always taken: "
      .. table.concat(missing, ", "))
  end
end

-- ---- the whole ----------------------------------------------------------------------------

--- The model's TLS settings of a server that ends TLS; mistakes are refused.
-- @param path of the server's tls; @param workload the gateway's pods, or nil
function gateway_tls.settings(context, gateway, path, spec, workload)
  local self = { context = context, gateway = gateway, path = path, tls = { certs = {}, tickets = true },
    namespace = workload and workload.namespace or gateway.namespace }
  local auth = AUTH[spec.mode]
  if not auth then
    return gateway:refuse(path_to(path, "mode"), spec.mode .. " is not supported: TLS is ended here; SIMPLE, MUTUAL, "
      .. "OPTIONAL_MUTUAL and ISTIO_MUTUAL are")
  end
  self.tls.client_auth = auth
  check_versions(self, spec)
  check_suites(self, spec)
  if spec.mode == "ISTIO_MUTUAL" then
    add_identity(self, spec, workload)
  else
    add_certificates(self, spec)
    if auth ~= "none" then
      self.tls.client_ca = client_ca(self, spec)
      local ca, tls = self.tls.client_ca, context.store.tls
      local err = ca and tls and tls.authority_mistake(ca)
      if err then gateway:refuse(path_to(path, "mode"), "the clients' authorities: " .. err) end
      if not ca then
        gateway:refuse(path_to(path, "mode"), spec.mode .. " needs the clients' authorities: ca.crt in a Secret, or "
          .. "caCertificates")
      end
    end
  end
  return self.tls
end

local SAME = { "client_auth", "client_ca", "min_version" }

--- Adds a server's TLS to that of the others on its port, which must take the same clients.
-- @return the settings together, or nil and what is not the same
function gateway_tls.merge(all, tls)
  if not all then return tls end
  for _, field in ipairs(SAME) do
    if all[field] ~= tls[field] then return nil, field end
  end
  local known = {}
  for _, cert in ipairs(all.certs) do known[cert.name] = true end
  for _, cert in ipairs(tls.certs) do
    if not known[cert.name] then table.insert(all.certs, cert) end
  end
  return all
end

return gateway_tls
