--- A longer path to a field, by up to four steps: path({ "spec" }, "rules", 1) is { "spec", "rules", 1 }.
local new_table = require "table.new"

return function(path, a, b, c, d)
  local count = #path
  local longer = new_table(count + (d and 4 or c and 3 or b and 2 or 1), 0)
  for i = 1, count do longer[i] = path[i] end
  longer[count + 1], longer[count + 2], longer[count + 3], longer[count + 4] = a, b, c, d
  return longer
end
