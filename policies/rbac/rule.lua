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

local function add_maps(tests, part)
  for _, prefix in ipairs { "", "not_" } do
    for name, texts in pairs(part[prefix .. "headers"] or {}) do
      add(tests, fields.header(name, as_list(texts)), prefix == "not_")
    end
    for name, texts in pairs(part[prefix .. "claims"] or {}) do
      add(tests, fields.claim({ name }, as_list(texts)), prefix == "not_")
    end
  end
end

-- The tests of a source, an operation, or a rule's own fields.
local function tests_of(part)
  local tests = {}
  for name, make in pairs(fields.by_name) do
    if part[name] then add(tests, make(part[name]), false) end
    if part["not_" .. name] then add(tests, make(part["not_" .. name]), true) end
  end
  add_maps(tests, part)
  return tests
end

local function add_when(tests, when)
  for _, condition in ipairs(when or {}) do
    local make = conditions.find(condition.key)
    if condition.values then add(tests, make(condition.values), false) end
    if condition.not_values then add(tests, make(condition.not_values), true) end
  end
end

local function joined(...)
  local all = {}
  for _, tests in ipairs { ... } do
    for _, test in ipairs(tests) do all[#all + 1] = test end
  end
  return all
end

--- The alternatives of a rule (OR of ANDs); one without tests holds always.
function rule.alternatives(given)
  local own, out = tests_of(given), {}
  add_when(own, given.when)
  for _, from in ipairs(given.from or { {} }) do
    for _, to in ipairs(given.to or { {} }) do out[#out + 1] = joined(own, tests_of(from), tests_of(to)) end
  end
  return out
end

return rule
