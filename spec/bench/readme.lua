--- readme: quotes a run of the bench in README.md, between its two markers.
-- usage: luajit spec/bench/readme.lua [build/bench.json]     from the top of the tree
local readme = {}

local BEGIN, END = "<!-- bench -->\n", "<!-- /bench -->\n"

--- `page` with `text` between the markers, or nil when it has none.
function readme.replace(page, text)
  local _, from = page:find(BEGIN, 1, true)
  local to = page:find(END, from or 1, true)
  if not from or not to then return nil end
  return page:sub(1, from) .. text:gsub("\n+$", "") .. "\n" .. page:sub(to)
end

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "*a"
  file:close()
  return text
end

local function main(path)
  local json = require "cjson"
  local report = require "spec.bench.report"
  local result = json.decode(read(path))
  local text = ("Run of %s.\n\n%s"):format(result.machine.date:sub(1, 10), report.text(result))
  local page = assert(readme.replace(read "README.md", text), "README.md has no markers")
  local file = assert(io.open("README.md", "w"))
  file:write(page)
  file:close()
end

if not pcall(debug.getlocal, 4, 1) then -- run as a program, not required
  package.path = "./?.lua;" .. package.path
  main(arg[1] or "build/bench.json")
end

return readme
