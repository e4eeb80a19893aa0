--- help: explains the commands.
local options = require "moongate.cli.options"
local policy = require "moongate.policy"

local help = {}

help.usage = "help [NAME]"
help.summary = "explain the commands, or what `docs NAME` does"

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

Options of bench (and --policy-path, and the request's --method to --jwt):
  --config SETTINGS   the policy's settings, as in a config: "{ percent = 5 }"

Options of docs (and --policy-path):
  --json-schema       print a JSON Schema of configs, as `config --json` prints them
  --types DIR         write what a language server needs to complete and check policies

Options of test (and --policy-path):
  --seed N            other random numbers (default: 1)
  --live              the same specs against a real gateway on free ports of loopback
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
    lines[#lines + 1] = ("  %-27s  %s"):format(command.usage, command.summary)
  end
  lines[#lines + 1] = ""
  return table.concat(lines, "\n") .. "\n" .. OPTIONS
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
  return require("moongate.cli.docs").main(words, streams)
end

return help
