--- origins: which origins a list such as "https://*.shop.example" allows.
local field = require "moongate.field"
local regex = require "moongate.regex"
local origins = {}

--- The fields of an origin that is no plain text.
origins.fields = {
  { "exact", type = "string", doc = "The whole header." }, { "prefix", type = "string", doc = "How it begins." },
  { "regex", type = "string", doc = "A regular expression (RE2) of the whole." },
}

local USUAL = { http = "80", https = "443" }

-- An origin with its port, in lower case: "https://shop.example:443"; others ("null") as they are.
local function full(origin)
  origin = origin:lower()
  local scheme, host, port = origin:match("^(https?)://([^/%[%]:]+):?(%d*)$")
  if not scheme then return origin end
  return ("%s://%s:%s"):format(scheme, host, port ~= "" and port or USUAL[scheme])
end

--- Why an origin of a config cannot stand, or nil.
function origins.error(origin)
  if type(origin) == "string" then
    return field.value_error(origin) or select(2, origin:gsub("%*", "")) > 1 and "more than one \"*\"" or nil
  end
  local count = (origin.exact and 1 or 0) + (origin.prefix and 1 or 0) + (origin.regex and 1 or 0)
  if count ~= 1 then return "expected one of exact, prefix and regex" end
  if not origin.regex then return nil end
  return (select(2, regex.compile(origin.regex)))
end

local function add_rule(set, rule)
  if rule.exact == "*" then
    set.any = true
  elseif rule.exact then
    set.texts[rule.exact] = true
  elseif rule.prefix then
    table.insert(set.prefixes, rule.prefix)
  else
    table.insert(set.regexes, (assert(regex.compile(rule.regex))))
  end
end

local function add_text(set, origin)
  local head, tail = full(origin):match("^(.*)%*(.*)$")
  if origin == "*" then
    set.any = true
  elseif head then
    table.insert(set.patterns, { head, tail })
  else
    set.exact[full(origin)] = true
  end
end

--- Origins of a config, as allow() wants them.  exact: whole origins; patterns: what stands before "*" and after it;
-- texts, prefixes and regexes: of the header as it comes.
function origins.new(list)
  local set = { any = false, exact = {}, patterns = {}, texts = {}, prefixes = {}, regexes = {} }
  for _, origin in ipairs(list) do
    local add = type(origin) == "string" and add_text or add_rule
    add(set, origin)
  end
  return set
end

local function allow_header(set, origin)
  if set.texts[origin] then return true end
  for _, prefix in ipairs(set.prefixes) do
    if origin:sub(1, #prefix) == prefix then return true end
  end
  for _, compiled in ipairs(set.regexes) do
    if compiled:match(origin) then return true end
  end
  return false
end

--- Whether an Origin header names one of them.
function origins.allow(set, origin)
  if set.any or allow_header(set, origin) then return true end
  origin = full(origin)
  if set.exact[origin] then return true end
  for _, pattern in ipairs(set.patterns) do
    local head, tail = pattern[1], pattern[2]
    if #origin > #head + #tail and origin:sub(1, #head) == head and (tail == "" or origin:sub(-#tail) == tail) then
      return true
    end
  end
  return false
end

return origins
