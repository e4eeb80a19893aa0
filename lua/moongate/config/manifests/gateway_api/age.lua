--- age: which of several objects goes before the others: the older one, then by namespace and name (GEP-713).
-- Files seldom carry a creationTimestamp; objects without one are younger than those with one.
local age = {}

-- RFC 3339 in UTC, as the API server writes it, sorts as text; "~" comes after every digit.
local function key_of(object)
  local at = object.body.metadata.creationTimestamp
  return type(at) == "string" and at or "~"
end

local function goes_before(a, b)
  local at, bt = key_of(a), key_of(b)
  if at ~= bt then return at < bt end
  local an, bn = a.namespace .. "/" .. a.name, b.namespace .. "/" .. b.name
  if an ~= bn then return an < bn end
  return a.kind > b.kind -- HTTPRoute before GRPCRoute
end

--- Whether `a` goes before `b`.
age.goes_before = goes_before

--- A sorted copy of a list of objects.
function age.sorted(objects)
  local list = { unpack(objects) }
  table.sort(list, goes_before)
  return list
end

return age
