--- peer: ctx.peer, the other end of the downstream connection as a policy sees it.
local abi = require "moongate.abi"
local closed = require "moongate.closed"

local C, text = abi.C, abi.text

local peer, get = {}, {}

--- The TCP peer: address (text), port, whether it speaks TLS, and its certificate's identity or nil.
function get.address(x) return text(x.peer_address) end
function get.port(x) return x.peer_port end
function get.tls(x) return x.tls end
function get.principal(x) return x.principal.len > 0 and text(x.principal) or nil end

local CERTIFICATE = { "principal", "subject", "serial", "dns", "fingerprint", "sni", "alpn", "version", "cipher" }
local certificate_type = abi.typeof "struct mg_certificate"

--- The TLS connection's and the client certificate's data; nil on a clear connection.
function get.certificate(x)
  local c = certificate_type()
  if C.mg_peer_certificate(x, c) ~= 0 then return nil end
  local t = { verified = c.verified }
  for _, name in ipairs(CERTIFICATE) do
    if c[name].len > 0 then t[name] = text(c[name]) end
  end
  return t
end

local exchange_of
local make, peers = closed.class(function(self, key)
  local f, x = get[key], exchange_of[self]
  closed.check_running(x)
  return f and f(x)
end)
exchange_of = peers

--- ctx.peer of the exchange `x`.
peer.new = make

return peer
