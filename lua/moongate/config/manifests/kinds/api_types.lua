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

--- Group; the core group is "".
function api_types.group(value)
  local fits = value == "" or is_subdomain(value)
  return not fits and wrong("a group such as gateway.networking.k8s.io", value) or nil
end

--- Kind.
function api_types.kind(value)
  local fits = #value <= LONGEST_LABEL and value:find("^%a[%w-]*$") and value:sub(-1) ~= "-"
  return not fits and wrong("a kind such as Service", value) or nil
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

--- AddressType: Hostname and the like, or one of somebody's own with a domain before it.
function api_types.address_type(value)
  local domain, name = value:match("^(.-)/(.*)$")
  local fits = value == "IPAddress" or value == "Hostname" or value == "NamedAddress"
    or name and is_subdomain(domain) and name:find("^[%w/%-._~%%!$&'()*+,;=:]+$")
  return not fits and wrong("IPAddress, Hostname or a type such as example.com/name", value) or nil
end

--- WellKnownCACertificatesType.
function api_types.well_known(value)
  local domain, name = value:match("^(.-)/(.*)$")
  local fits = value == "System" or name and is_subdomain(domain) and name:find("^%w[%w_.-]*$") and name:find("%w$")
  return not fits and wrong("System, or a name such as example.com/name", value) or nil
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

-- What tells references to one object apart, and by which fields; nil: nothing does.
local function part_of(ref)
  if not ref.sectionName and not ref.port then return nil end
  return ("%s:%s"):format(tostring(ref.sectionName or ""), tostring(ref.port or "")),
    (ref.sectionName and "sectionName " or "") .. (ref.port and "port" or "")
end

--- References: those to one object name a part of it each, and not the same.
function api_types.references(list)
  if #list < 2 then return nil end
  local seen = {}
  for i, ref in ipairs(list) do
    if type(ref) ~= "table" then return nil end
    local object = ("%s %s %s/%s"):format(tostring(ref.group), tostring(ref.kind), tostring(ref.namespace),
      tostring(ref.name))
    local parts, part, fields = seen[object], part_of(ref)
    if parts and (not part or parts.fields ~= fields or parts[part]) then
      return "a second reference to the same; expected a sectionName or port of its own in each", i
    end
    seen[object] = parts or { fields = fields }
    if part then seen[object][part] = true end
  end
end

--- A list in which nothing stands twice (x-kubernetes-list-type: set).
function api_types.set(list)
  local seen = {}
  for i, item in ipairs(list) do
    if seen[item] then return ("%s stands twice"):format(show(item)), i end
    seen[item] = true
  end
end

--- The same, in which "*" stands alone.
function api_types.lone_star(list)
  for i, item in ipairs(list) do
    if item == "*" and #list > 1 then return '"*" stands alone', i end
  end
  return api_types.set(list)
end

--- Addresses of a Gateway: no value twice in one type.
function api_types.addresses(list)
  local seen = {}
  for i, entry in ipairs(list) do
    local value = type(entry) == "table" and entry.value
    local key = value and ("%s %s"):format(tostring(entry.type or "IPAddress"), tostring(value))
    if key and seen[key] then return ("a second address %s"):format(tostring(value)), i end
    if key then seen[key] = true end
  end
end

return api_types
