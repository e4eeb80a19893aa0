--- cli: the command line; one file a command, each with usage, summary and main(words, streams).
local suggest = require "moongate.suggest"

local cli = {}

local NAMES = {
  "run", "check", "config", "explain", "new", "test", "bench", "docs", "reload", "upgrade", "version", "help",
}
local ALIASES = { ["--help"] = "help", ["-h"] = "help", ["--version"] = "version" }

local function write(file)
  return function(text) file:write(text) end
end

local function refuse(err)
  return function(message, command)
    err(("moongate: %s\n"):format(message))
    err(("Usage: moongate %s\n"):format(command and command.usage or "COMMAND [OPTIONS]"))
    err("`moongate help` explains more.\n")
    return 2
  end
end

-- Only the command that runs is loaded, unless someone asks for them all.
local function command_of(name)
  return require("moongate.cli." .. name)
end

local function commands()
  local list = {}
  for i, name in ipairs(NAMES) do list[i] = command_of(name) end
  return list
end

--- Runs the command line `words` (without the program's name).
-- @param versions map of library to text; the core gives it
-- @param given { out =, err = } functions that write a text; absent: the standard streams
-- @return an exit code; or, for `run`, the table that cli/run.lua describes
function cli.main(words, versions, given)
  local streams = given or { out = write(io.stdout), err = write(io.stderr) }
  streams.versions = versions
  streams.refuse = refuse(streams.err)
  streams.commands = commands
  if #words == 0 then
    streams.err(command_of("help").text(commands()))
    return 2
  end
  local name = ALIASES[words[1]] or words[1]
  local known
  for _, other in ipairs(NAMES) do known = known or other == name end
  if not known then return streams.refuse(("unknown command '%s'%s"):format(name, suggest.hint(name, NAMES))) end
  local rest = {}
  for i = 2, #words do rest[i - 1] = words[i] end
  return command_of(name).main(rest, streams)
end

return cli
