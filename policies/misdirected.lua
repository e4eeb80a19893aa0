--- misdirected: answers 421 where the name of the TLS handshake belongs to other hosts than the request's.
-- `listeners` says which host patterns a listener tells apart; a browser that reuses a connection for a host of another
-- pattern than the one it named when it connected is told to connect anew (RFC 9110, section 15.5.20).  A host that no
-- pattern takes is left to the routes, and so is everything on a connection that named nothing.
-- Phases: request.
-- Place it first: the other policies may be those of the wrong host.
local hosts = require "moongate.router.hosts"
local misdirected = {}

misdirected.schema = {
  { "listeners", type = "map", required = true, values = { type = "list", items = { type = "string" } },
    doc = "Name of a listener to host patterns: \"shop.example\", \"*.example\", \"*\"." },
}

function misdirected.prepare(conf)
  local finders = {}
  for name, patterns in pairs(conf.listeners) do finders[name] = hosts.new(patterns) end
  return finders
end

function misdirected.request(finders, ctx)
  local finder = ctx.peer.tls and finders[ctx.listener.name]
  if not finder then return end
  local certificate = ctx.peer.certificate
  local sni = certificate and certificate.sni
  local wanted = sni and finder:find(ctx.req.host)
  if wanted and wanted ~= finder:find(sni:lower()) then return ctx:respond(421) end
end

return misdirected
