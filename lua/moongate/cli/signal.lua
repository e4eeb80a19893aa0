--- signal: commands that send a signal to a running gateway's master.
local options = require "moongate.cli.options"

local signal = {}

-- A process id, as it is or from a file; or nil and what is wrong.
local function read_id(word)
  local text = word
  if not word:find("^%d+$") then
    local file, err = io.open(word, "r")
    text = file and file:read("*l") or ""
    if not file then return nil, "cannot read " .. err end
    file:close()
  end
  local id = text:match("^%s*(%d+)%s*$")
  if not id or #id > 9 or tonumber(id) < 2 then return nil, ("expected a process id, got %q"):format(text) end
  return tonumber(id)
end

--- The command `name`, which sends the signal of that number.
function signal.command(name, number, summary)
  local command = { usage = name .. " PID_FILE_OR_ID", summary = summary }

  --- @return { action = "signal", pid =, signal = } for the core; or an exit code
  function command.main(words, streams)
    local values, rest = options.parse(words, {})
    if not values then return streams.refuse(rest, command) end
    if #rest ~= 1 then return streams.refuse("expected a pid_file or a process id", command) end
    local id, err = read_id(rest[1])
    if not id then
      streams.err(("moongate: %s\n"):format(err))
      return 1
    end
    return { action = "signal", pid = id, signal = number }
  end

  return command
end

return signal
