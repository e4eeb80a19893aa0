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

local function values_error(texts, check, path)
  if type(texts) ~= "table" then return nil end
  if next(texts) == nil then return path .. ": an empty list matches nothing; leave the field out" end
  for i, text in ipairs(check and texts or {}) do
    local why = check(text)
    if type(why) == "string" then return ("%s.%d: %s"):format(path, i, why) end
  end
end

local function part_error(part, path)
  for name, value in pairs(part) do
    local kind, at = name:gsub("^not_", ""), path .. "." .. name
    if type(value) == "table" and not PARTS[name] then
      local why = values_error(value, VALUE_CHECKS[kind], at)
      for key, texts in pairs(not why and MAPS[kind] and value or {}) do
        why = why or values_error(texts, nil, at .. "." .. key)
      end
      if why then return why end
    end
  end
end

local function when_error(condition, path)
  local make, why = conditions.find(condition.key)
  if not make then return path .. ".key: " .. why end
  if not condition.values and not condition.not_values then return path .. ": needs values or not_values" end
  local check = WHEN_CHECKS[condition.key]
  return values_error(condition.values, check, path .. ".values")
    or values_error(condition.not_values, check, path .. ".not_values")
end

local function parts_error(parts, check, path, needs_field)
  if not parts then return nil end
  if #parts == 0 then return path .. ": an empty list matches nothing; leave the field out" end
  for i, part in ipairs(parts) do
    if needs_field and next(part) == nil then return ("%s.%d: needs a field"):format(path, i) end
    local why = check(part, path .. "." .. i)
    if why then return why end
  end
end

--- "path: reason" of the first mistake that the schema cannot see; nil when there is none.
function mistakes.first(given, path)
  return part_error(given, path) or parts_error(given.from, part_error, path .. ".from", true)
    or parts_error(given.to, part_error, path .. ".to", true) or parts_error(given.when, when_error, path .. ".when")
end

return mistakes
