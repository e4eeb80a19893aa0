--- explain: which rule decided about a request, and what the others lacked, for moongate.explain.
local attributes = require "policies.rbac.attributes"
local conditions = require "policies.rbac.conditions"
local fields = require "policies.rbac.fields"
local compile = require "policies.rbac.compile"

local MOST, FEW = 10, 4 -- rules, values of a field that are shown

local read = {}
for _, attribute in ipairs(attributes.list) do
  local code = "local ctx, req, lower, attributes = ... return " .. attribute[2]
  read[attribute[1]] = assert(loadstring(code, "=rbac explain"))
end

-- What is asked about is `seen`: { ctx =, port = that rules are about, in place of the listener's, or nil }.

-- ---- one test -----------------------------------------------------------------------------

local function header_holds(test, seen)
  for _, value in ipairs(seen.ctx.req.headers:get_all(test.name)) do
    if test.test(value) then return true end
  end
  return false
end

local function value_of(test, seen)
  local ctx = seen.ctx
  if test.name then return table.concat(ctx.req.headers:get_all(test.name), ", ") end
  if test.attr == "port" and seen.port then return seen.port end
  return read[test.attr](ctx, ctx.req, string.lower, attributes)
end

local function shown(value)
  if type(value) == "table" then return "a token" end
  if value == nil or value == "" then return "none" end
  return ("%q"):format(tostring(value))
end

local function wanted(values, negate)
  values = type(values) == "table" and values or { values }
  local some = {}
  for i = 1, math.min(#values, FEW) do some[i] = ("%q"):format(tostring(values[i])) end
  if #values > FEW then some[#some + 1] = ("%d more"):format(#values - FEW) end
  return (negate and "none of " or "") .. table.concat(some, ", ")
end

-- Why the test does not hold; nil: it does.
local function failure(name, make, values, negate, seen)
  local test = make(type(values) == "table" and values or { values })
  local held
  if test.name then held = header_holds(test, seen) else held = test.test(value_of(test, seen)) end
  if (held and true or false) ~= negate then return nil end
  return ("%s: wanted %s, found %s"):format(name, wanted(values, negate), shown(value_of(test, seen)))
end

-- ---- one rule -----------------------------------------------------------------------------

local function named(part)
  local list = {}
  for name in pairs(fields.by_name) do list[#list + 1] = name end
  table.sort(list)
  local all = {}
  for _, name in ipairs(list) do
    all[#all + 1] = { name, fields.by_name[name], part[name], false }
    all[#all + 1] = { "not_" .. name, fields.by_name[name], part["not_" .. name], true }
  end
  return all
end

local MAPS = {
  headers = function(name) return function(values) return fields.header(name, values) end end,
  claims = function(name) return function(values) return fields.claim({ name }, values) end end,
}

local function of_maps(part, all)
  for kind, make in pairs(MAPS) do
    for _, prefix in ipairs { "", "not_" } do
      for name, values in pairs(part[prefix .. kind] or {}) do
        all[#all + 1] = { prefix .. kind .. "." .. name, make(name), values, prefix ~= "" }
      end
    end
  end
  return all
end

local function first_failure(list, seen)
  for _, item in ipairs(list) do
    local why = item[3] ~= nil and failure(item[1], item[2], item[3], item[4], seen)
    if why then return why end
  end
end

-- One of the entries must hold; else why the first does not.
local function entries_failure(entries, seen)
  local first
  for _, entry in ipairs(entries or {}) do
    local why = first_failure(named(entry), seen)
    if not why then return nil end
    first = first or why
  end
  return first and (#entries > 1 and first .. (" (and %d more)"):format(#entries - 1) or first)
end

local function when_failure(rule, seen)
  local list = {}
  for _, condition in ipairs(rule.when or {}) do
    local make = conditions.find(condition.key)
    list[#list + 1] = { condition.key, make, condition.values, false }
    list[#list + 1] = { condition.key, make, condition.not_values, true }
  end
  return first_failure(list, seen)
end

local function rule_failure(rule, seen)
  return first_failure(of_maps(rule, named(rule)), seen) or entries_failure(rule.from, seen)
    or entries_failure(rule.to, seen) or when_failure(rule, seen)
end

-- ---- the whole policy ---------------------------------------------------------------------

local function name_of(rule) return rule.id or "a rule without an id" end

local function add_failures(lines, rules, seen)
  for i, rule in ipairs(rules or {}) do
    if i > MOST then
      lines[#lines + 1] = ("and %d more rules"):format(#rules - MOST)
      break
    end
    lines[#lines + 1] = { text = ("%s does not match: %s"):format(name_of(rule), rule_failure(rule, seen) or "?"),
      at = rule.at }
  end
end

local function found(rules, seen)
  local place = rules and compile.rules(rules, "least", seen.port)(seen.ctx)
  return place and rules[place]
end

--- The lines about a request: the rule that decided first, then why others did not match.
-- @param conf the policy's checked settings
return function(conf, ctx)
  local seen = { ctx = ctx, port = conf.port }
  local denied = found(conf.deny, seen)
  if denied then return { { text = "denied by " .. name_of(denied), rule = denied.id, at = denied.at } } end
  local lines, allowed = {}, found(conf.allow, seen)
  if allowed then
    lines[1] = { text = "allowed by " .. name_of(allowed), rule = allowed.id, at = allowed.at }
  elseif conf.allow then
    lines[1] = { text = "denied: no rule that allows matches", rule = "none" }
    add_failures(lines, conf.allow, seen)
  else
    lines[1] = { text = "passes: no rule that denies matches" }
    add_failures(lines, conf.deny, seen)
  end
  return lines
end
