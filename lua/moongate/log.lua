--- log: lines of text with fields for the process's own log, and sinks for whole lines.
local abi = require "moongate.abi"
local closed = require "moongate.closed"
local log = {}

local C = abi.C
local LEVELS = { debug = 0, info = 1, warn = 2, error = 3 }

local function quoted(value)
  local text = tostring(value)
  if text ~= "" and not text:find('[%s"=%c]') then return text end
  return '"' .. text:gsub('[\\"]', "\\%0"):gsub("\n", "\\n") .. '"'
end

--- `text`, then the fields as key=value, sorted by key.
function log.format(text, fields)
  local names, parts = {}, { text }
  for name in pairs(fields or {}) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do parts[#parts + 1] = name .. "=" .. quoted(fields[name]) end
  return table.concat(parts, " ")
end

for name, level in pairs(LEVELS) do
  --- log.debug, log.info, log.warn, log.error(text, fields or nil): one line of that level.
  log[name] = function(text, fields)
    local line = log.format(text, fields)
    C.mg_log_text(level, line, #line)
  end
end

local sink = {}
local make_sink, numbers = closed.class(sink)

--- Writes one line; the newline is added.  Never waits: a line that does not fit is dropped and counted.
function sink.write(self, line)
  C.mg_sink_write(numbers[self], line, #line)
end

--- A sink for whole lines: a file that lines are added to, "stdout" or "stderr".
-- @return an object with write(line), or nil and why it cannot be opened
function log.sink(path)
  local number = C.mg_sink_get(path, #path)
  if number < 0 then return nil, ("%s: %s"):format(path, abi.error_text(number)) end
  return make_sink(number)
end

return log
