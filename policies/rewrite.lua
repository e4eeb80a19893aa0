--- rewrite: changes the path or the host that the backend sees; the query is kept.
-- `prefix` replaces the first path elements: from "/shop" to "/" makes "/" of "/shop" and "/cart" of "/shop/cart",
-- never "//"; a path that does not begin so is left alone.  With `literal` the text itself is replaced, as Istio's
-- VirtualService does ("/shop" to "/" makes "//cart" of "/shop/cart").
-- Phases: request.
-- Place it after policies that look at the path the client sent.
local prefix = require "moongate.prefix"
local rewrite = {}

rewrite.schema = {
  { "path", type = "string", pattern = "^/[^?#]*$", doc = "The whole new path." },
  { "prefix", type = "record", doc = "Replaces the beginning of the path.", fields = prefix.fields },
  { "host", type = "string", pattern = "^[%w.:%[%]_-]+$", doc = "The new Host, with its port if it needs one." },
}

function rewrite.check(conf)
  if conf.path and conf.prefix then return nil, "prefix: either path or prefix" end
  if not (conf.path or conf.prefix or conf.host) then return nil, "path: needs path, prefix or host" end
  local why = prefix.error(conf.prefix)
  if why then return nil, why end
end

function rewrite.prepare(conf)
  return { path = conf.path, prefix = prefix.prepare(conf.prefix), host = conf.host }
end

function rewrite.request(conf, ctx)
  local req = ctx.req
  local path = conf.path or conf.prefix and prefix.replace(req.path, conf.prefix)
  if path then req.path = path end
  if conf.host then req.authority = conf.host end
end

return rewrite
