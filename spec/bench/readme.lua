--- readme: quotes what was measured in README.md, each between two markers.
-- usage: luajit spec/bench/readme.lua [build/bench.json]     from the top of the tree
local readme = {}

--- `page` with `text` between the markers `name`, or nil when it has none.
function readme.replace(page, text, name)
  local _, from = page:find(("<!-- %s -->\n"):format(name), 1, true)
  local to = page:find(("<!-- /%s -->\n"):format(name), from or 1, true)
  if not from or not to then return nil end
  return page:sub(1, from) .. text:gsub("\n+$", "") .. "\n" .. page:sub(to)
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

--- Puts `text` between the markers `name` of README.md.
function readme.write(name, text)
  local page = assert(readme.replace(read "README.md", text, name), "README.md has no markers " .. name)
  local file = assert(io.open("README.md", "w"))
  file:write(page)
  file:close()
end

local function main(path)
  local json = require "cjson"
  local report = require "spec.bench.report"
  local result = json.decode(read(path))
  readme.write("bench", ("Run of %s.\n\n%s"):format(result.machine.date:sub(1, 10), report.text(result)))
end

if not pcall(debug.getlocal, 4, 1) then -- run as a program, not required
  package.path = "./?.lua;" .. package.path
  main(arg[1] or "build/bench.json")
end

return readme
