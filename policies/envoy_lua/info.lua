--- info: Envoy's stream info, metadata, connection and SSL objects.
local info = {}

-- ---- metadata -----------------------------------------------------------------------------

-- What the objects of a kind share: scripts, of which each is for itself, may not reach it.
local function hidden(methods) return { __index = methods, __metatable = false } end

local metadata = {}
local metadata_mt = hidden(metadata)

--- Of a route there is none here: get() finds nothing.
function metadata.get(self, key) return self.entries[key] end
function metadata.__pairs(self) return pairs(self.entries) end

function info.metadata() return setmetatable({ entries = {} }, metadata_mt) end

local dynamic = { get = metadata.get, __pairs = metadata.__pairs }
local dynamic_mt = hidden(dynamic)

local PLAIN = { table = true, number = true, boolean = true, string = true, ["nil"] = true }

--- Sets a value that all scripts of this request see.
function dynamic.set(self, filter, key, value)
  if type(filter) ~= "string" or type(key) ~= "string" then
    error("dynamicMetadata:set: expected the names of a filter and of a key", 2)
  end
  if not PLAIN[type(value)] then error("dynamicMetadata:set: cannot keep a " .. type(value), 2) end
  self.entries[filter] = self.entries[filter] or {}
  self.entries[filter][key] = value
end

local function dynamic_metadata(ctx)
  local shared = ctx.shared
  shared.envoy_metadata = shared.envoy_metadata or {}
  return setmetatable({ entries = shared.envoy_metadata }, dynamic_mt)
end

-- ---- the connection -----------------------------------------------------------------------

local ssl = {}
local ssl_mt = hidden(ssl)

function ssl.peerCertificatePresented(self) return self.certificate.fingerprint ~= nil end
function ssl.peerCertificateValidated(self) return self.certificate.verified end
function ssl.sha256PeerCertificateDigest(self) return self.certificate.fingerprint or "" end
function ssl.serialNumberPeerCertificate(self) return self.certificate.serial or "" end
function ssl.subjectPeerCertificate(self) return self.certificate.subject or "" end
function ssl.uriSanPeerCertificate(self) return { self.certificate.principal } end
function ssl.ciphersuiteString(self) return self.certificate.cipher or "" end
function ssl.tlsVersion(self) return self.certificate.version or "" end

function ssl.dnsSansPeerCertificate(self)
  local list = {}
  for name in (self.certificate.dns or ""):gmatch("[^,%s]+") do list[#list + 1] = name end
  return list
end

local function ssl_of(ctx)
  local certificate = ctx.peer.tls and ctx.peer.certificate
  return certificate and setmetatable({ certificate = certificate }, ssl_mt) or nil
end

local connection = {}
local connection_mt = hidden(connection)

--- What TLS says of the client; nil on a clear connection.
function connection.ssl(self) return ssl_of(self.ctx) end

function info.connection(ctx) return setmetatable({ ctx = ctx }, connection_mt) end

-- ---- the stream ---------------------------------------------------------------------------

local function join(address, port)
  return ((address or ""):find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(address or "", port)
end

local stream = {}
local stream_mt = hidden(stream)

function stream.protocol(self) return self.ctx.protocol end
function stream.virtualClusterName() return "" end -- there are none
function stream.routeName(self) return self.ctx.route and self.ctx.route.name or "" end
function stream.downstreamDirectLocalAddress(self) return join(self.ctx.local_address, self.ctx.port) end
function stream.downstreamLocalAddress(self) return join(self.ctx.local_address, self.ctx.port) end
function stream.downstreamDirectRemoteAddress(self) return join(self.ctx.peer.address, self.ctx.peer.port) end

--- An address that was told by a proxy in front comes without a port: 0, as Envoy has it.
function stream.downstreamRemoteAddress(self)
  local ctx = self.ctx
  return join(ctx.client_address, ctx.client_address == ctx.peer.address and ctx.peer.port or 0)
end

function stream.requestedServerName(self)
  local certificate = self.ctx.peer.tls and self.ctx.peer.certificate
  return certificate and certificate.sni or ""
end

function stream.dynamicMetadata(self) return dynamic_metadata(self.ctx) end
function stream.downstreamSslConnection(self) return ssl_of(self.ctx) end

function info.stream(ctx) return setmetatable({ ctx = ctx }, stream_mt) end

return info
