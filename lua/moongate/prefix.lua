--- prefix: replaces the elements that a path begins with (HTTPRoute's ReplacePrefixMatch), or its first characters
-- (VirtualService's rewrite). For policies rewrite and redirect.
local prefix = {}

--- The fields of a schema, as settings of a policy: { from =, to =, literal = }.
prefix.fields = {
  { "from", type = "string", required = true, pattern = "^/", doc = "What the path begins with." },
  { "to", type = "string", required = true, pattern = "^[^?#]*$", doc = "What takes its place." },
  { "literal", type = "boolean", default = false, doc = "Replace text, not whole path elements." },
}

--- Why checked settings (nil: none) make no sense, as a policy's check() says it; or nil.
function prefix.error(conf)
  local to = conf and conf.to
  if to and to ~= "" and to:sub(1, 1) ~= "/" then return "prefix.to: begins with '/' or is empty" end
end

--- Settings as replace() wants them: without a '/' at the end, so that "from" and "to" join without a second one.
-- @param conf nil stays nil
function prefix.prepare(conf)
  if not conf or conf.literal then return conf end
  return { from = conf.from:gsub("/+$", ""), to = conf.to:gsub("/+$", ""), literal = false }
end

--- The new path, or nil when `path` does not begin with the prefix.
function prefix.replace(path, conf)
  local size = #conf.from
  if path:sub(1, size) ~= conf.from then return nil end
  local rest = path:sub(size + 1)
  if not conf.literal and rest ~= "" and rest:sub(1, 1) ~= "/" then return nil end
  local new = conf.to .. rest
  return new:sub(1, 1) == "/" and new or "/" .. new
end

return prefix
