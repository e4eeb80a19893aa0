--- A longer path to a field: path({ "spec" }, "rules", 1) is { "spec", "rules", 1 }.
return function(path, ...)
  local longer = { unpack(path) }
  for _, step in ipairs { ... } do longer[#longer + 1] = step end
  return longer
end
