--- prefix: replaces the elements that a path begins with (HTTPRoute's ReplacePrefixMatch), or its first characters
-- (VirtualService's rewrite). For policies rewrite and redirect.
local prefix = {}

--- The fields of a schema, as settings of a policy: { from =, to =, literal = }.
prefix.fields = {
  { "from", type = "string", required = true, doc = "What the path begins with." },
  { "to", type = "string", required = true, pattern = "^[^?#]*$", doc = "What takes its place." },
  { "literal", type = "boolean", default = false, doc = "Replace text, not whole path elements." },
  { "ignore_case", type = "boolean", default = false, doc = "Whether the path may begin so in any case." },
}

--- Why checked settings (nil: none) make no sense, as a policy's check() says it; or nil.
function prefix.error(conf)
  if not conf then return nil end
  local to = conf.to
  if conf.from:sub(1, 1) ~= "/" and not (conf.literal and conf.from == "") then
    return "prefix.from: begins with '/'"
  end
  if to ~= "" and to:sub(1, 1) ~= "/" then return "prefix.to: begins with '/' or is empty" end
end

--- Settings as replace() wants them: without a '/' at the end, so that "from" and "to" join without a second one.
-- @param conf nil stays nil
function prefix.prepare(conf)
  if not conf then return nil end
  local from, to = conf.from, conf.to
  if conf.ignore_case then from = from:lower() end
  if not conf.literal then from, to = from:gsub("/+$", ""), to:gsub("/+$", "") end
  return { from = from, to = to, literal = conf.literal, ignore_case = conf.ignore_case }
end

--- The new path, or nil when `path` does not begin with the prefix.
function prefix.replace(path, conf)
  local size = #conf.from
  local start = path:sub(1, size)
  if conf.ignore_case then start = start:lower() end
  if start ~= conf.from then return nil end
  local rest = path:sub(size + 1)
  if not conf.literal and rest ~= "" and rest:sub(1, 1) ~= "/" then return nil end
  local new = conf.to .. rest
  return new:sub(1, 1) == "/" and new or "/" .. new
end

return prefix
