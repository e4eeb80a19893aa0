--- age: which of several objects goes before the others: the older one, then by namespace and name (GEP-713).
-- Files seldom carry a creationTimestamp; objects without one are younger than those with one.
local age = {}

-- RFC 3339 in UTC, as the API server writes it, sorts as text; "~" comes after every digit. Of two objects of one name
-- the HTTPRoute goes before the GRPCRoute.
local function key_of(object)
  local at = object.body.metadata.creationTimestamp
  return ("%s %s/%s %s"):format(type(at) == "string" and at or "~", object.namespace, object.name,
    object.kind == "GRPCRoute" and 2 or 1)
end

--- A sorted copy of a list of objects, none of which is there twice.
function age.sorted(objects)
  local by_key, list = {}, {}
  for i, object in ipairs(objects) do
    list[i] = key_of(object)
    by_key[list[i]] = object
  end
  table.sort(list)
  for i, key in ipairs(list) do list[i] = by_key[key] end
  return list
end

return age
