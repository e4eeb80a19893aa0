--- help: explains the commands, or one policy from its own text.
local options = require "moongate.cli.options"
local policy = require "moongate.policy"
local schema = require "moongate.schema"

local help = {}

help.usage = "help [POLICY]"
help.summary = "explain the commands, or a policy and its settings"

local OPTIONS = [[
Options of run and check:
  --policy-path DIR   look for policies in DIR first (may stand several times)
  --workers N         worker processes (default: one a core)
  --admin ADDRESS     serve metrics and health here instead of at the config's address
  --port-offset N     bind every port that the config declares N higher
  --explain-token F   explain live requests to who sends the token in file F as x-moongate-explain
  --bind ADDRESS      bind listeners to this IP address instead of their own
  --watch             reload when a file of the config has changed

Options of check:
  --status            print the conditions of the Gateway API's objects, as YAML
  --json              print that as JSON

The request of explain; what is left out is GET / of localhost, from 127.0.0.1:
  --method METHOD     its method
  --host AUTHORITY    its host, with a port if it has one
  --path TARGET       its path, with a query if it has one
  --header "N: V"     a header (may stand several times)
  --body FILE         its body
  --jwt FILE          a bearer token
  --principal ID      who the client's certificate says it is: cluster.local/ns/default/sa/sleep
  --sni NAME          the server name of its TLS handshake; default: the host
  --source-ip IP      its address
  --listener NAME     the listener it comes to; default: the one for the host and port
  --port N            the listener's port, where no name is given
  --json              print the record as JSON

Options of test (and --policy-path):
  --seed N            other random numbers (default: 1)
  --update-golden     write the files that test.golden compares with
  --coverage FILE     say which lines of the policies were passed, and write them as lcov does
  --junit FILE        write a report for CI

A config is a Lua file, or YAML files and folders of them.
]]

local KNOWN = { ["policy-path"] = { key = "policy_path", type = "text", list = true } }

--- The text of `moongate help`.
function help.text(commands)
  local lines = { "Usage: moongate COMMAND [OPTIONS]", "" }
  for _, command in ipairs(commands) do
    lines[#lines + 1] = ("  %-16s  %s"):format(command.usage, command.summary)
  end
  lines[#lines + 1] = ""
  return table.concat(lines, "\n") .. "\n" .. OPTIONS
end

-- Where one of the policy's own functions was read from; others may come from its helper modules.
local function file_of(name, module)
  for _, value in pairs(module) do
    local source = type(value) == "function" and debug.getinfo(value, "S").source or ""
    local path = source:match("^@(.*/" .. name .. "%.lua)$") or source:match("^@(.*/" .. name .. "/init%.lua)$")
    if path then return path end
  end
end

-- The file's text, from the disk or from inside the binary; "" when it is in neither.
local function read(path)
  local file = io.open(path, "r")
  if file then
    local text = file:read("*a")
    file:close()
    return text
  end
  local found, source = pcall(require, "moongate.source")
  return found and source.text(path) or ""
end

-- The comment that opens a policy's file, without its dashes; nothing when the file is not there.
local function comment(name, module)
  local path = file_of(name, module)
  local lines = {}
  for line in (path and read(path) or ""):gmatch("([^\n]*)\n") do
    local text = line:match("^%-%-%-? ?(.*)$")
    if not text then break end
    lines[#lines + 1] = text
  end
  return lines
end

local function explain(name)
  local module, err = policy.load(name)
  if not module then return nil, err end
  local lines = comment(name, module)
  if #lines == 0 then lines[1] = name end
  lines[#lines + 1] = ""
  lines[#lines + 1] = #module.schema > 0 and "Settings:" or "It has no settings."
  for _, line in ipairs(schema.describe(module.schema)) do lines[#lines + 1] = "  " .. line end
  return table.concat(lines, "\n") .. "\n"
end

--- @return 0, or 2 for bad usage or a policy that is not known
function help.main(words, streams)
  local values, rest = options.parse(words, KNOWN)
  if not values then return streams.refuse(rest, help) end
  for _, folder in ipairs(values.policy_path or {}) do policy.add_path(folder) end
  if #rest == 0 then
    streams.out(help.text(streams.commands()))
    return 0
  end
  local text, err = explain(rest[1])
  if not text then return streams.refuse(err, help) end
  streams.out(text)
  return 0
end

return help
