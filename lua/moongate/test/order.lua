--- order: pairs() in the same order in every run; LuaJIT's own follows a hash that is seeded anew each time.
local order = {}

local RANK = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local first, second = RANK[type(a)], RANK[type(b)]
  if first ~= second then return first < second end
  if first == 3 then return a == false and b == true end
  return a < b
end

-- Numbers, texts, booleans, each in order; other keys have none, and stand at the end as they come.
local function keys_of(t)
  local keys, others = {}, {}
  for key in next, t do
    local list = RANK[type(key)] and keys or others
    list[#list + 1] = key
  end
  table.sort(keys, before)
  for _, key in ipairs(others) do keys[#keys + 1] = key end
  return keys
end

local function pairs_in_order(t)
  local keys, i = keys_of(t), 0
  return function()
    local key, value
    repeat -- what was removed meanwhile is left out
      i = i + 1
      key = keys[i]
      if key ~= nil then value = rawget(t, key) end
    until key == nil or value ~= nil
    return key, value
  end, t, nil
end

--- Puts it in place of the global pairs().
function order.install()
  pairs = pairs_in_order -- luacheck: globals pairs
end

return order
