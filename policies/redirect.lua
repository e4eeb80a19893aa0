--- redirect: answers with another place to ask; what the settings leave out is taken from the request.
-- The query is kept, unless `query` is set.  Without `port` it is the scheme's usual one where `scheme` is set, else
-- the one that the listener declares (not the one it is bound to, should they differ); 80 for http and 443 for https
-- are not written.  With `client_port` it is what `host` says, or else the client's own Host, save that a usual one is
-- dropped where the scheme changes (as Envoy does it for Istio's VirtualServices).
-- `prefix` replaces the first path elements, as in policy rewrite.
-- Phases: request.
-- Place it last: no policy after it is asked, no backend is called.
local prefix = require "moongate.prefix"
local redirect = {}

redirect.schema = {
  { "scheme", type = "string", one_of = { "http", "https" }, doc = "Scheme there." },
  { "host", type = "string", pattern = "^[%w.:%[%]_-]+$", doc = "Host there, without its port." },
  { "port", type = "integer", min = 1, max = 65535, doc = "Port there." },
  { "path", type = "string", pattern = "^/[^?#]*$", doc = "The whole new path." },
  { "query", type = "string", pattern = "^[^#%s]*$", doc = "The new query." },
  { "client_port", type = "boolean", default = false, doc = "Without port, take the one of the client's Host." },
  { "prefix", type = "record", doc = "Replaces the beginning of the path.", fields = prefix.fields },
  { "status", type = "integer", one_of = { 301, 302, 303, 307, 308 }, default = 302, doc = "Status of the answer." },
}

local USUAL = { http = 80, https = 443 }

function redirect.check(conf)
  if conf.path and conf.prefix then return nil, "prefix: either path or prefix" end
  local why = prefix.error(conf.prefix)
  if why then return nil, why end
end

function redirect.prepare(conf)
  local copy = {}
  for name, value in pairs(conf) do copy[name] = value end
  copy.prefix = prefix.prepare(conf.prefix)
  return copy
end

local function path_of(conf, req)
  local path = conf.path or conf.prefix and prefix.replace(req.path, conf.prefix) or req.path
  local query = conf.query or req.query
  return query and path .. "?" .. query or path
end

-- As the client wrote it, less a port that the new scheme makes wrong.
local function client_authority(conf, req, scheme)
  if conf.host then return conf.host end
  local host, port = req.authority:match("^(.*):(%d+)$")
  if host and scheme ~= req.scheme and tonumber(port) == USUAL[req.scheme] then return host end
  return req.authority
end

local function authority_of(conf, ctx, scheme)
  if conf.client_port and not conf.port then return client_authority(conf, ctx.req, scheme) end
  local port = conf.port or conf.scheme and USUAL[scheme] or ctx.port
  local authority = conf.host or ctx.req.host
  return port == USUAL[scheme] and authority or authority .. ":" .. port
end

function redirect.request(conf, ctx)
  local req = ctx.req
  local scheme = conf.scheme or req.scheme
  return ctx:respond(conf.status, nil,
    { location = scheme .. "://" .. authority_of(conf, ctx, scheme) .. path_of(conf, req) })
end

return redirect
