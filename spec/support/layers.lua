--- layers: checks that each folder of core/ includes only itself and those above it.
-- Prints each breach, and "N passed, M failed" with one check a file.
local ORDER = { "base", "net", "http", "proxy", "script", "app" }
local rank = {}
for i, name in ipairs(ORDER) do rank[name] = i end

local passed, failed = 0, 0
local list = assert(io.popen "ls core/*/*.c core/*/*.cc core/*/*.h")
for file in list:lines() do
  local own, good = file:match "^core/([^/]+)/", true
  for line in io.lines(file) do
    local used = line:match '^%s*#%s*include%s+"([^/"]+)/'
    if used and not (rank[own] and rank[used] and rank[used] <= rank[own]) then
      print(("%s: includes from %s/, which is no layer above %s/"):format(file, used, own))
      good = false
    end
  end
  if good then passed = passed + 1 else failed = failed + 1 end
end
list:close()
print(("%d passed, %d failed"):format(passed, failed))
os.exit(failed == 0 and passed > 0 and 0 or 1)
