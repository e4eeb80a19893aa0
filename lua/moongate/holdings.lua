--- holdings: how much of a worker's Lua memory each policy keeps, found by following what it can reach.
-- A worker asks once, at its end, when its policies have kept too much.  What several policies reach
-- counts for each of them; what moongate keeps for a policy, behind objects that are closed to it, counts for none.
local log = require "moongate.log"
local runtime = require "moongate.runtime"
local sandbox = require "moongate.sandbox"

local holdings = {}

local SHOWN = 3
local MOST = 8388608 -- objects of one policy; what is beyond them is not counted
-- Bytes, of LuaJIT on 64 bits.
local STRING, TABLE, ITEM, FIELD, FUNCTION, UPVALUE = 24, 48, 8, 24, 40, 40

-- What a table refers to is put on the stack, and its own size returned.
local function open_table(t, push)
  local items, fields = #t, 0
  for key, value in next, t do
    push(key)
    push(value)
    fields = fields + 1
  end
  push(debug.getmetatable(t))
  return TABLE + ITEM * items + FIELD * math.max(0, fields - items)
end

-- Functions of moongate's end the search: what they refer to is everything.
local function open_function(fn, push)
  local env = sandbox.environment_of(fn)
  if not env then return 0 end
  push(env)
  local i = 1
  while true do
    local name, value = debug.getupvalue(fn, i)
    if not name then break end
    push(value)
    i = i + 1
  end
  return FUNCTION + UPVALUE * (i - 1)
end

local OPEN = {
  table = open_table,
  ["function"] = open_function,
  string = function(text) return STRING + #text end,
}

--- Bytes, about, of all that can be reached from the values in `roots`.
function holdings.size(roots)
  local seen, stack, count, bytes = {}, {}, 0, 0
  local function push(value)
    if not OPEN[type(value)] or seen[value] or count == MOST then return end
    seen[value], count = true, count + 1
    stack[#stack + 1] = value
  end
  for _, root in ipairs(roots) do push(root) end
  while #stack > 0 do
    local value = table.remove(stack)
    bytes = bytes + OPEN[type(value)](value, push)
  end
  return bytes
end

local function roots_of(model)
  local roots = {}
  for use, ready in pairs(model.prepared) do
    roots[use.name] = roots[use.name] or {}
    table.insert(roots[use.name], ready.policy)
    table.insert(roots[use.name], ready.prepared)
  end
  return roots
end

--- Who keeps most in this worker: an array of { policy =, bytes = }, the most first.
function holdings.list()
  local list = {}
  for name, roots in pairs(roots_of(runtime.model())) do
    list[#list + 1] = { policy = name, bytes = holdings.size(roots) }
  end
  table.sort(list, function(a, b) return a.bytes > b.bytes end)
  return list
end

--- Logs who keeps most.
function holdings.say()
  local parts = {}
  for i, one in ipairs(holdings.list()) do
    if i <= SHOWN then parts[i] = ("%s %.1f MiB"):format(one.policy, one.bytes / 1048576) end
  end
  log.error("what policies kept of this worker's memory, the most first: " .. table.concat(parts, ", "))
end

return holdings
