--- attributes: the single values a rule may ask for, as Lua text for the generated code, in order of cost.
local verified = require "moongate.verified"
local attributes = {}

local MEMORY = 1024 -- identities remembered; a mesh has few

--- The parts of a SPIFFE identity spiffe://<trust domain>/ns/<namespace>/sa/<account>; other pairs may stand between
-- the namespace and the account, and after it. A URI of another scheme has a namespace at most, as in Istio.
local function parse(principal)
  local trust_domain = principal:match("^spiffe://([^/]+)")
  local namespace, account = principal:match("/ns/([^/]+)/sa/([^/]+)")
  if not namespace then namespace, account = principal:match("/ns/([^/]+)/.-/sa/([^/]+)") end
  return {
    trust_domain = trust_domain, namespace = principal:match("/ns/([^/]+)/"),
    account = trust_domain and account and namespace .. "/" .. account,
  }
end

local known, count = {}, 0

--- The parsed identity of a principal; a peer without one has no part.
function attributes.identity(principal)
  local parts = known[principal or ""]
  if parts then return parts end
  if count == MEMORY then known, count = {}, 0 end
  parts = parse(principal or "")
  known[principal or ""], count = parts, count + 1
  return parts
end

--- Path and query as they were sent.
function attributes.target(req)
  return req.query and req.path .. "?" .. req.query or req.path
end

--- The server name of the peer's TLS handshake, or nil.
function attributes.sni(peer)
  local certificate = peer.certificate
  return certificate and certificate.sni
end

--- The token that the request has shown.
attributes.token = verified.get

--- { name, text }: `text` may use ctx, req, lower, and the functions of this module as `attributes`.
attributes.list = {
  { "method", "req.method" },
  { "port", "ctx.port" },
  { "path", "req.path" },
  { "scheme", "req.scheme" },
  { "principal", "ctx.peer.principal" },
  { "authority", "req.authority" },
  { "host", "lower(req.authority or '')" },
  { "ip", "ctx.peer.address" },
  { "remote_ip", "ctx.client_address" },
  { "local_ip", "ctx.local_address" },
  { "namespace", "attributes.identity(ctx.peer.principal).namespace" },
  { "account", "attributes.identity(ctx.peer.principal).account" },
  { "trust_domain", "attributes.identity(ctx.peer.principal).trust_domain" },
  { "target", "attributes.target(req)" },
  { "sni", "attributes.sni(ctx.peer)" },
  { "jwt", "attributes.token(ctx)" },
  { "metadata", "ctx.shared.metadata" },
}

--- name -> place in order of cost; a header, which must be looked for, comes last.
attributes.order = { header = #attributes.list + 1 }
for i, attribute in ipairs(attributes.list) do attributes.order[attribute[1]] = i end

return attributes
