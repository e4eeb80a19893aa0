--- journal: what policies log, kept for the test that caused it; and chance that is the same in every run.
local log = require "moongate.log"
local random = require "moongate.random"

local journal = {}

local PRIME, FACTOR = 2147483647, 16807 -- Park and Miller, 1988
local state = 1
local current -- the gateway whose test runs: { log = list, lines = map of sink to list }

function random.bytes(count)
  local bytes = {}
  for i = 1, count do
    state = state * FACTOR % PRIME
    bytes[i] = string.char(math.floor(state / 8) % 256)
  end
  return table.concat(bytes)
end

--- Begins anew: what is logged goes to `gateway`, and random numbers and bytes are those of `seed`.
function journal.begin(gateway, seed)
  current, state = gateway, seed % (PRIME - 1) + 1
  random.number() -- it seeds itself at the first call
  math.randomseed(seed)
end

for _, level in ipairs { "debug", "info", "warn", "error" } do
  log[level] = function(text, fields)
    if current and rawget(current, "log") then table.insert(current.log, level .. " " .. log.format(text, fields)) end
  end
end

-- Nothing is opened: a spec that logs leaves no file behind.
function log.sink(path)
  return { write = function(_, line)
    if not current then return end
    current.lines[path] = current.lines[path] or {}
    table.insert(current.lines[path], line)
  end }
end

return journal
