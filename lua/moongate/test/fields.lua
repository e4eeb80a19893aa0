--- fields: the headers that a spec names, as a list of { name, value }.
-- @param headers name to value, or to a list of values; nil: none
return function(headers)
  local list = {}
  for name, values in pairs(headers or {}) do
    for _, value in ipairs(type(values) == "table" and values or { values }) do list[#list + 1] = { name, value } end
  end
  return list
end
