--- sort: table.sort in Lua, whose comparison may wait and which a budget can stop.
-- A merge sort: it keeps the order of what is equal, and no comparison, however wrong, makes it run long.

local function default(a, b) return a < b end

local function merge(from, to, first, middle, last, less)
  local left, right = first, middle
  for i = first, last - 1 do
    if left < middle and (right >= last or not less(from[right], from[left])) then
      to[i], left = from[left], left + 1
    else
      to[i], right = from[right], right + 1
    end
  end
end

--- As table.sort.
return function(list, less)
  if type(list) ~= "table" then error("bad argument #1 to 'sort' (table expected)", 2) end
  less = less or default
  local count = #list
  local from, to, width = list, {}, 1
  while width < count do
    for first = 1, count, 2 * width do
      local middle = math.min(first + width, count + 1)
      merge(from, to, first, middle, math.min(first + 2 * width, count + 1), less)
    end
    from, to, width = to, from, 2 * width
  end
  if from ~= list then
    for i = 1, count do list[i] = from[i] end
  end
end
