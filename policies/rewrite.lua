--- rewrite: changes the path or the host that the backend sees; the query is kept.
-- `prefix` replaces the first path elements: from "/shop" to "/" makes "/" of "/shop" and "/cart" of "/shop/cart",
-- never "//"; a path that does not begin so is left alone.  With `literal` the text itself is replaced, as Istio's
-- VirtualService does ("/shop" to "/" makes "//cart" of "/shop/cart").
-- Phases: request.
-- Place it after policies that look at the path the client sent.
local rewrite = {}

rewrite.schema = {
  { "path", type = "string", pattern = "^/[^?#]*$", doc = "The whole new path." },
  { "prefix", type = "record", doc = "Replaces the beginning of the path.", fields = {
    { "from", type = "string", required = true, pattern = "^/", doc = "What the path begins with." },
    { "to", type = "string", required = true, pattern = "^[^?#]*$", doc = "What takes its place." },
    { "literal", type = "boolean", default = false, doc = "Replace text, not whole path elements." },
  } },
  { "host", type = "string", pattern = "^[%w.:%[%]_-]+$", doc = "The new Host, with its port if it needs one." },
}

function rewrite.check(conf)
  if conf.path and conf.prefix then return nil, "prefix: either path or prefix" end
  if not (conf.path or conf.prefix or conf.host) then return nil, "path: needs path, prefix or host" end
  local to = conf.prefix and conf.prefix.to
  if to and to ~= "" and to:sub(1, 1) ~= "/" then return nil, "prefix.to: begins with '/' or is empty" end
end

function rewrite.prepare(conf)
  local prefix = conf.prefix
  if prefix and not prefix.literal then -- so that "from" and "to" join without a second "/"
    prefix.from, prefix.to = prefix.from:gsub("/+$", ""), prefix.to:gsub("/+$", "")
  end
  return conf
end

-- The new path, or nil when `path` does not begin with the prefix.
local function replaced(path, prefix)
  local size = #prefix.from
  if path:sub(1, size) ~= prefix.from then return nil end
  local rest = path:sub(size + 1)
  if not prefix.literal and rest ~= "" and rest:sub(1, 1) ~= "/" then return nil end
  local new = prefix.to .. rest
  return new:sub(1, 1) == "/" and new or "/" .. new
end

function rewrite.request(conf, ctx)
  local req = ctx.req
  local path = conf.path or conf.prefix and replaced(req.path, conf.prefix)
  if path then req.path = path end
  if conf.host then req.authority = conf.host end
end

return rewrite
