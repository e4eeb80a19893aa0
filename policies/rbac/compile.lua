--- compile: many rules as one generated function whose cost follows the number of their shapes, not theirs.
-- Every alternative of a rule has tests for exact values (keys) and others (its residue).  Alternatives with keys
-- for the same attributes form a group, held as nested tables: value -> value -> ... -> leaf.  The generated
-- function walks each group with the request's values.  A leaf is the rank of the rule, or, with a residue, a
-- function that tests it.  At most one header is a key, as the innermost level.
local attributes = require "policies.rbac.attributes"
local groups = require "policies.rbac.groups"
local pause = require "moongate.pause"
local residue = require "policies.rbac.residue"
local rule = require "policies.rbac.rule"
local compile = {}

local PART = 40 -- groups that one generated function walks, far below Lua's limits

-- What each walk does with the leaf `e`: give the first rank found, or keep the least.
local LEAVES = {
  first = { plain = "return e", rest = "local r = e(%s) if r then return r end" },
  least = {
    plain = "if not best or e < best then best = e end",
    rest = "local r = e(%s) if r and (not best or r < best) then best = r end",
  },
}

-- The attributes that any test needs, in order of cost: their names joined as arguments, and code that sets them.
-- `port`: what stands for the listener's, or nil.
local function values_of(entries, port)
  local needed, names, code = {}, { "headers" }, { "local req = ctx.req" }
  for _, entry in ipairs(entries) do
    for _, test in ipairs(entry.tests) do needed[test.attr] = true end
  end
  code[2] = "local headers = " .. (needed.header and "req.headers" or "nil")
  for _, attribute in ipairs(attributes.list) do
    if needed[attribute[1]] then
      names[#names + 1] = attribute[1]
      code[#code + 1] = ("local %s = %s"):format(attribute[1], attribute[1] == "port" and port or attribute[2])
    end
  end
  return table.concat(names, ", "), table.concat(code, "\n  ")
end

-- A key of a group's tables, out of the request's value (nil where the request has none).
local function key_text(value, cut)
  return cut == "" and value or ("%s and %s:sub(%s)"):format(value, value, cut)
end

-- The first value is looked up outside the loop: a loop that ends at once would keep the trace from forming.
local function header_walk(test, leaf)
  local name, key = test.name, key_text("v", test.cut)
  return ([[local v, p = headers:next_of(%q, 0)
    if v then
      local e = n[%s]
      if e then %s end
      v, p = headers:next_of(%q, p)
      while v do
        e = n[%s]
        if e then %s end
        v, p = headers:next_of(%q, p)
      end
    end]]):format(name, key, leaf, name, key, leaf, name)
end

local function group_walk(group, index, leaf)
  local code, open = { ("  do local n = roots[%d]"):format(index) }, 1
  local keys = group.keys
  local header = keys[#keys] and keys[#keys].name and keys[#keys]
  for i = 1, #keys - (header and 1 or 0) do
    code[#code + 1] = ("  n = n[%s] if n then"):format(key_text(keys[i].attr, keys[i].cut))
    open = open + 1
  end
  code[#code + 1] = header and header_walk(header, leaf) or ("local e = n do %s end"):format(leaf)
  return table.concat(code, "\n  ") .. (" end"):rep(open)
end

local function close(node, depth, arguments)
  if depth == 0 then return residue.leaf(node, arguments) end
  for value, below in pairs(node) do node[value] = close(below, depth - 1, arguments) end
  return node
end

-- A function(best, arguments...) over groups[from..to] and then `after`.
local function part(list, from, mode, arguments, after)
  local code, roots = { ("local roots, after = ...\nreturn function(best, %s)"):format(arguments) }, {}
  for i = from, math.min(from + PART - 1, #list) do
    local group = list[i]
    roots[#roots + 1] = group.plain and group.root or close(group.root, #group.keys, arguments)
    local leaf = LEAVES[mode][group.plain and "plain" or "rest"]:format(arguments)
    code[#code + 1] = group_walk(group, #roots, leaf)
  end
  code[#code + 1] = after and ("  return after(best, %s)\nend"):format(arguments) or "  return best\nend"
  return assert(loadstring(table.concat(code, "\n"), "=rbac"))(roots, after)
end

--- A function(ctx) that gives the place in `rules` of one that matches, or nil.
-- @param mode "first": any match will do; "least": the earliest one
-- @param port that rules on ports are about, in place of the listener's; or nil
function compile.rules(rules, mode, port)
  local entries = {}
  for rank, given in ipairs(rules) do
    for _, tests in ipairs(rule.alternatives(given)) do entries[#entries + 1] = { tests = tests, rank = rank } end
    pause.here()
  end
  local list, after = groups.of(entries), nil
  local arguments, values = values_of(entries, port)
  for from = math.floor((#list - 1) / PART) * PART + 1, 1, -PART do
    after = part(list, from, mode, arguments, after)
  end
  if not after then return function() return nil end end
  local source = ("local walk, attributes, lower = ...\nreturn function(ctx)\n  %s\n  return walk(nil, %s)\nend")
  return assert(loadstring(source:format(values, arguments), "=rbac"))(after, attributes, string.lower)
end

return compile
