--- api_types: what the Gateway API's API server asks of a value beyond its form (apis/v1/shared_types.go): each is a
-- `check` of a field (see kinds/init.lua), which gives nil, or what was expected and perhaps the index at fault.
local show = require("moongate.schema").show

local api_types = {}

local LONGEST_NAME, LONGEST_LABEL = 253, 63

local function is_label(text)
  return text:find("^[%l%d][%l%d-]*$") and text:sub(-1) ~= "-"
end

-- Labels with dots between them: neither a dot nor a '-' stands beside a dot or at an end.
local function is_subdomain(text)
  return #text <= LONGEST_NAME and text:find("^[%l%d][%l%d.-]*$") and text:find("[%l%d]$")
    and not text:find("[.-]%.") and not text:find(".-", 1, true)
end

local function wrong(expected, value)
  return ("expected %s, got %s"):format(expected, show(value))
end

--- PreciseHostname: one name, in lower case.
function api_types.precise_host(value)
  return not is_subdomain(value) and wrong("a host in lower case, such as shop.example", value) or nil
end

--- Hostname: the same, or all names below one.
function api_types.host(value)
  local name = value:sub(1, 2) == "*." and value:sub(3) or value
  local fits = #value <= LONGEST_NAME and is_subdomain(name)
  return not fits and wrong("a host in lower case, such as shop.example or *.shop.example", value) or nil
end

--- SectionName.
function api_types.section(value)
  return not is_subdomain(value) and wrong("a name of small letters, digits, '-' and '.'", value) or nil
end

--- Namespace.
function api_types.namespace(value)
  local fits = #value <= LONGEST_LABEL and is_label(value)
  return not fits and wrong("a namespace: small letters, digits and '-'", value) or nil
end

--- HeaderName, which names query parameters too.
function api_types.header(value)
  local fits = #value <= 256 and value:find("^[%w!#$%%&'*+%-.^_`|~]+$")
  return not fits and wrong("a name as headers have", value) or nil
end

--- The value of a header (1 to 4096 bytes, which the field says).
function api_types.header_value(value)
  return value:find("[%z\r\n]") and "a header value holds no line break and no NUL" or nil
end

--- Duration (GEP-2257): up to four whole numbers of five digits with h, m, s or ms.
function api_types.duration(value)
  local rest, count = value, 0
  repeat
    local digits, unit, more = rest:match("^(%d+)(%a+)(.*)$")
    local fits = digits and #digits <= 5 and (unit == "h" or unit == "m" or unit == "s" or unit == "ms")
    count, rest = count + 1, fits and more or nil
  until not rest or rest == ""
  return (not rest or count > 4) and wrong("a duration of h, m, s and ms, such as 500ms or 1m30s", value) or nil
end

--- ProtocolType: HTTP and the like, or one of somebody's own with a domain before it.
function api_types.protocol(value)
  local domain, name = value:match("^(.-)/(.*)$")
  local fits = name and is_subdomain(domain) and name:find("^%w+$")
    or not name and value:find("^%w[%w-]*$") and value:sub(-1) ~= "-"
  return not fits and wrong("a protocol such as HTTP or example.com/name", value) or nil
end

--- CORSOrigin.
function api_types.origin(value)
  local host = value:match("^https?://([^:/]+)$") or value:match("^https?://([^:/]+):%d%d?%d?%d?%d?$")
  local fits = value == "*" or host == "*" or host and not host:gsub("^%*%.", ""):find("[^%w.-]")
  return not fits and wrong('"*" or an origin such as https://*.shop.example:8080', value) or nil
end

--- GatewayController.
function api_types.controller(value)
  local domain, path = value:match("^(.-)/(.*)$")
  local fits = domain and is_subdomain(domain) and path:find("^[%w/%-._~%%!$&'()*+,;=:]+$")
  return not fits and wrong("a domain and a path, such as example.com/name", value) or nil
end

--- A list whose items differ in the field `key`, where they have it.
function api_types.unique(key)
  return function(list)
    if #list < 2 then return nil end
    local seen = {}
    for i, item in ipairs(list) do
      local value = type(item) == "table" and item[key]
      if value and seen[value] then return ("a second item with the %s %s"):format(key, tostring(value)), i end
      if value then seen[value] = true end
    end
  end
end

-- What tells references to one object apart; nil: nothing does.
local function part_of(ref)
  if not ref.sectionName and not ref.port then return nil end
  return ("%s:%s"):format(tostring(ref.sectionName or ""), tostring(ref.port or ""))
end

--- References: those to one object name a part of it each, and not the same.
function api_types.references(list)
  if #list < 2 then return nil end
  local seen = {}
  for i, ref in ipairs(list) do
    if type(ref) ~= "table" then return nil end
    local object = ("%s %s %s/%s"):format(tostring(ref.group), tostring(ref.kind), tostring(ref.namespace),
      tostring(ref.name))
    local parts, part = seen[object], part_of(ref)
    if parts and (not part or parts.whole or parts[part]) then
      return "a second reference to the same; expected a sectionName or port of its own in each", i
    end
    seen[object] = parts or {}
    seen[object][part or "whole"] = true
  end
end

--- A list in which "*" stands alone.
function api_types.lone_star(list)
  for i, item in ipairs(list) do
    if item == "*" and #list > 1 then return '"*" stands alone', i end
  end
end

return api_types
