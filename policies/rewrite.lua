--- rewrite: changes the path or the host that the backend sees; the query is kept.
-- `prefix` replaces the first path elements: from "/shop" to "/" makes "/" of "/shop" and "/cart" of "/shop/cart",
-- never "//"; a path that does not begin so is left alone.  With `literal` the text itself is replaced, as Istio's
-- VirtualService does ("/shop" to "/" makes "//cart" of "/shop/cart").  `regex` replaces every match of a regular
-- expression; in its `rewrite` \0 is the match and \1 to \9 are its groups.
-- Phases: request.
-- Place it after policies that look at the path the client sent.
local field = require "moongate.field"
local prefix = require "moongate.prefix"
local regex = require "moongate.regex"
local rewrite = {}

rewrite.schema = {
  { "path", type = "string", pattern = "^/[^?#]*$", doc = "The whole new path." },
  { "prefix", type = "record", doc = "Replaces the beginning of the path.", fields = prefix.fields },
  { "regex", type = "record", doc = "Replaces what matches in the path.", fields = {
    { "match", type = "string", required = true, doc = "A regular expression (RE2)." },
    { "rewrite", type = "string", required = true, pattern = "^[^?#%s%c]*$", doc = "What takes the place of a match." },
  } },
  { "host", type = "string", pattern = "^[%w.:%[%]_-]+$", doc = "The new Host, with its port if it needs one." },
  { "original_path", type = "string", doc = "Header that tells the backend the target as it came." },
}

local function regex_error(conf)
  local compiled, why = regex.compile(conf.match)
  if not compiled then return "regex.match: " .. why end
  why = compiled:rewrite_error(conf.rewrite)
  return why and "regex.rewrite: " .. why
end

function rewrite.check(conf)
  local ways = (conf.path and 1 or 0) + (conf.prefix and 1 or 0) + (conf.regex and 1 or 0)
  if ways > 1 then return nil, (conf.prefix and "prefix" or "regex") .. ": one of path, prefix and regex" end
  if ways == 0 and not conf.host then return nil, "path: needs path, prefix, regex or host" end
  local name = conf.original_path
  local why = prefix.error(conf.prefix) or conf.regex and regex_error(conf.regex)
    or name and field.name_error(name) and "original_path: " .. field.name_error(name)
  if why then return nil, why end
end

function rewrite.prepare(conf)
  return { path = conf.path, prefix = prefix.prepare(conf.prefix), host = conf.host, original = conf.original_path,
    regex = conf.regex and regex.compile(conf.regex.match), by = conf.regex and conf.regex.rewrite }
end

local function changed(conf, path)
  if conf.prefix then return prefix.replace(path, conf.prefix) end
  if not conf.regex then return conf.path end
  local new = conf.regex:replace(path, conf.by)
  return new:sub(1, 1) == "/" and new or "/" .. new
end

function rewrite.request(conf, ctx)
  local req = ctx.req
  local path = changed(conf, req.path)
  if path and conf.original then
    req.headers:set(conf.original, req.query and req.path .. "?" .. req.query or req.path)
  end
  if path then req.path = path end
  if conf.host then req.authority = conf.host end
end

return rewrite
