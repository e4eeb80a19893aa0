--- A longer path to a field, by up to four steps: path({ "spec" }, "rules", 1) is { "spec", "rules", 1 }.
return function(path, a, b, c, d)
  local longer, count = {}, #path
  for i = 1, count do longer[i] = path[i] end
  longer[count + 1], longer[count + 2], longer[count + 3], longer[count + 4] = a, b, c, d
  return longer
end
