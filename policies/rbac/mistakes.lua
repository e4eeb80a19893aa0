--- mistakes: what can be wrong with a rule beyond its schema.
local cidr = require "policies.rbac.cidr"
local conditions = require "policies.rbac.conditions"
local pattern = require "policies.rbac.pattern"
local mistakes = {}

local PARTS = { from = true, to = true, when = true } -- lists of records, checked on their own
local MAPS = { headers = true, claims = true }

local function path_error(text)
  if not text:find("[{}]") then return nil end
  if not pattern.is_template(text) then return "braces stand in a path template only, as {*} or {**}" end
  local _, why = pattern.template(text)
  return why
end

-- A "*" more, or elsewhere, would look like one that counts.
local function trust_domain_error(text)
  if text:find("/", 1, true) then return "a trust domain has no '/'" end
  if text:find("^%*?[^*]*$") or text:find("^[^*]+%*$") then return nil end
  return "expected at most one *, first or last"
end

local VALUE_CHECKS = {
  ip_blocks = function(text) return select(2, cidr.block(text)) end, paths = path_error,
  ports = function(port)
    local good = tostring(port):find("^%d+$") and tonumber(port) < 65536
    return not good and "expected a port from 0 to 65535"
  end,
  trust_domains = trust_domain_error,
  service_accounts = function(text)
    return not text:find("^[^/*]+/[^/*]+$") and "expected namespace/account, without wildcards"
  end,
}
VALUE_CHECKS.remote_ip_blocks = VALUE_CHECKS.ip_blocks
local WHEN_CHECKS = {
  ["source.ip"] = VALUE_CHECKS.ip_blocks, ["remote.ip"] = VALUE_CHECKS.ip_blocks,
  ["destination.ip"] = VALUE_CHECKS.ip_blocks,
  ["destination.port"] = VALUE_CHECKS.ports, ["source.serviceAccount"] = VALUE_CHECKS.service_accounts,
  ["source.trustDomain"] = trust_domain_error,
}

-- Where and what is wrong, as seen from the part that is looked at: ".1.paths.2: reason", or ": reason" of itself; a
-- rule without a mistake, as nearly all are, makes no text.
local function inside(name, why)
  return why and "." .. name .. why
end

local EMPTY = ": an empty list matches nothing; leave the field out"

local function values_error(texts, check)
  if type(texts) ~= "table" then return nil end
  if next(texts) == nil then return EMPTY end
  if not check then return nil end
  for i, text in ipairs(texts) do
    local why = check(text)
    if type(why) == "string" then return inside(i, ": " .. why) end
  end
end

local function map_error(map)
  for key, texts in pairs(map) do
    local why = values_error(texts)
    if why then return inside(key, why) end
  end
end

local function part_error(part)
  for name, value in pairs(part) do
    local kind = name:sub(1, 4) == "not_" and name:sub(5) or name
    if type(value) == "table" and not PARTS[name] then
      local why = values_error(value, VALUE_CHECKS[kind]) or MAPS[kind] and map_error(value)
      if why then return inside(name, why) end
    end
  end
end

local function when_error(condition)
  local make, why = conditions.find(condition.key)
  if not make then return ".key: " .. why end
  if not condition.values and not condition.not_values then return ": needs values or not_values" end
  local check = WHEN_CHECKS[condition.key]
  return inside("values", values_error(condition.values, check))
    or inside("not_values", values_error(condition.not_values, check))
end

local function parts_error(parts, check, needs_field)
  if not parts then return nil end
  if #parts == 0 then return EMPTY end
  for i, part in ipairs(parts) do
    if needs_field and next(part) == nil then return inside(i, ": needs a field") end
    local why = check(part)
    if why then return inside(i, why) end
  end
end

--- ".path: reason" of the first mistake of a rule that the schema cannot see; nil when there is none.
function mistakes.first(given)
  return part_error(given) or inside("from", parts_error(given.from, part_error, true))
    or inside("to", parts_error(given.to, part_error, true)) or inside("when", parts_error(given.when, when_error))
end

return mistakes
