--- rule: a rule of the config as alternatives, each a list of tests that must all hold.
-- A rule is its own fields AND any of `from` AND any of `to` AND all of `when`.
local conditions = require "policies.rbac.conditions"
local fields = require "policies.rbac.fields"
local rule = {}

local function as_list(value) return type(value) == "table" and value or { value } end

local function add(tests, test, negate)
  test.negate = negate
  tests[#tests + 1] = test
end

local function add_map(tests, map, make, negate)
  if not map then return end
  for name, texts in pairs(map) do add(tests, make(name, as_list(texts)), negate) end
end

local function claim(name, texts) return fields.claim({ name }, texts) end

local FIELDS = {} -- { name =, negation =, make = function(values) -> test }
for name, make in pairs(fields.by_name) do
  FIELDS[#FIELDS + 1] = { name = name, negation = "not_" .. name, make = make }
end

-- The tests of a source, an operation, or a rule's own fields.
local function tests_of(part)
  local tests = {}
  for i = 1, #FIELDS do
    local field = FIELDS[i]
    local values, others = part[field.name], part[field.negation]
    if values then add(tests, field.make(values), false) end
    if others then add(tests, field.make(others), true) end
  end
  add_map(tests, part.headers, fields.header, false)
  add_map(tests, part.not_headers, fields.header, true)
  add_map(tests, part.claims, claim, false)
  add_map(tests, part.not_claims, claim, true)
  return tests
end

local function add_when(tests, when)
  for _, condition in ipairs(when or {}) do
    local make = conditions.find(condition.key)
    if condition.values then add(tests, make(condition.values), false) end
    if condition.not_values then add(tests, make(condition.not_values), true) end
  end
end

local function append(all, tests)
  for i = 1, #tests do all[#all + 1] = tests[i] end
end

local ANY = { {} } -- what is not said holds

local function tests_of_each(parts)
  if not parts then return ANY end
  local list = {}
  for i, part in ipairs(parts) do list[i] = tests_of(part) end
  return list
end

--- The alternatives of a rule (OR of ANDs); one without tests holds always.
function rule.alternatives(given)
  local own, out = tests_of(given), {}
  add_when(own, given.when)
  local destinations = tests_of_each(given.to)
  for _, source in ipairs(tests_of_each(given.from)) do
    for _, destination in ipairs(destinations) do
      local all = {}
      append(all, own)
      append(all, source)
      append(all, destination)
      out[#out + 1] = all
    end
  end
  return out
end

return rule
