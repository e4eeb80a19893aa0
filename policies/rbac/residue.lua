--- residue: generated functions for the tests of a rule that no table look-up answers.
local attributes = require "policies.rbac.attributes"
local residue = {}

local factories = {} -- source -> the compiled factory: rules of one shape share their code

--- A function of a request's headers: whether any value of header `name` passes `test`.
local function any_value(name, test)
  return function(headers)
    local value, pos = headers:next_of(name, 0)
    if not value then return false end
    if test(value) then return true end
    value, pos = headers:next_of(name, pos)
    while value do
      if test(value) then return true end
      value, pos = headers:next_of(name, pos)
    end
    return false
  end
end

local function by_cost(a, b) return attributes.order[a.attr] < attributes.order[b.attr] end

local function source_of(tests, arguments, last)
  local conditions = {}
  for i, test in ipairs(tests) do
    local argument = test.name and "headers" or test.attr
    conditions[i] = ("%stests[%d](%s)"):format(test.negate and "not " or "", i, argument)
  end
  return ("local tests, rank, after = ...\nreturn function(%s)\n  if %s then return rank end\n%send\n"):format(
    arguments, table.concat(conditions, " and "), last and "" or "  return after(" .. arguments .. ")\n")
end

local function link(entry, arguments, after)
  table.sort(entry.rest, by_cost)
  local source, tests = source_of(entry.rest, arguments, after == nil), {}
  for i, test in ipairs(entry.rest) do tests[i] = test.name and any_value(test.name, test.test) or test.test end
  factories[source] = factories[source] or assert(loadstring(source, "=rbac residue"))
  return factories[source](tests, entry.rank, after)
end

--- A function(`arguments`) that gives the least rank of the `entries` whose rest holds, or nil.
function residue.leaf(entries, arguments)
  table.sort(entries, function(a, b) return a.rank < b.rank end)
  local after
  for i = #entries, 1, -1 do after = link(entries[i], arguments, after) end
  return after
end

return residue
