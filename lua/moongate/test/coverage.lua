--- coverage: which lines of the policies a run has passed, by a hook (which the compiler would go past: it is off).
local util = require "jit.util"

local coverage = {}

local files = {} -- by path: { active = set of lines that have code, hits = count by line }

local function is_policy(path)
  return not path:find("_spec%.lua$") and not path:find("^/usr/") and not path:find("lua/moongate/", 1, true)
    and not path:find("spec/support/", 1, true)
end

-- The lines of a function and of those in it, from its bytecode.
local function add_lines(fn, active)
  for pc = 1, util.funcinfo(fn).bytecodes - 1 do active[util.funcinfo(fn, pc).currentline] = true end
  local i = -1
  local inner = util.funck(fn, i)
  while inner ~= nil do
    if type(inner) == "proto" then add_lines(inner, active) end
    i = i - 1
    inner = util.funck(fn, i)
  end
end

local function file_of(source)
  local path = source:sub(2)
  local chunk = is_policy(path) and loadfile(path)
  local file = chunk and { active = {}, hits = {} } or false
  if chunk then add_lines(chunk, file.active) end
  files[source] = file
  return file
end

local function on_line(_, line)
  local source = debug.getinfo(2, "S").source
  local file = files[source]
  if file == nil and source:sub(1, 1) == "@" then file = file_of(source) end
  if file then file.hits[line] = (file.hits[line] or 0) + 1 end
end

--- From now on every line counts.
function coverage.start()
  jit.off()
  jit.flush()
  debug.sethook(on_line, "l")
end

local function each_file()
  local names = {}
  for source, file in pairs(files) do
    if file then names[#names + 1] = source end
  end
  table.sort(names)
  local i = 0
  return function()
    i = i + 1
    if names[i] then return names[i]:sub(2), files[names[i]] end
  end
end

local function lines_of(file)
  local lines, missed = {}, {}
  for line in pairs(file.active) do lines[#lines + 1] = line end
  table.sort(lines)
  for _, line in ipairs(lines) do
    if not file.hits[line] then missed[#missed + 1] = line end
  end
  return lines, missed
end

--- Lines of text, one a file: how much was passed, and which lines were not.
function coverage.summary()
  local out = {}
  for path, file in each_file() do
    local lines, missed = lines_of(file)
    local rest = #missed > 0 and "; not lines " .. table.concat(missed, ", ") or ""
    out[#out + 1] = ("%s: %d of %d lines (%d %%)%s\n"):format(path, #lines - #missed, #lines,
      math.floor(100 * (#lines - #missed) / math.max(1, #lines)), rest)
  end
  return table.concat(out)
end

--- The same as lcov's tracefile, which editors and CI read.
function coverage.lcov()
  local out = {}
  for path, file in each_file() do
    local lines, missed = lines_of(file)
    out[#out + 1] = "SF:" .. path
    for _, line in ipairs(lines) do out[#out + 1] = ("DA:%d,%d"):format(line, file.hits[line] or 0) end
    out[#out + 1] = ("LF:%d\nLH:%d\nend_of_record"):format(#lines, #lines - #missed)
  end
  return table.concat(out, "\n") .. "\n"
end

return coverage
