--- load: what the commands that take a config have in common: options, the config itself, its mistakes printed.
local address = require "moongate.model.address"
local config = require "moongate.config"
local options = require "moongate.cli.options"
local policy = require "moongate.policy"

local load = {}

load.OPTIONS = {
  ["workers"] = { key = "workers", type = "count", min = 1, max = 64 },
  ["admin"] = { key = "admin", type = "text" },
  ["port-offset"] = { key = "port_offset", type = "count", min = 0, max = 65534 },
  ["bind"] = { key = "bind", type = "text" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
}

local function value_error(values)
  if values.admin then
    local host, err = address.parse_ip(values.admin)
    if not host then return ("--admin: %s, got %q"):format(err, values.admin) end
  end
  local bind = values.bind and (values.bind:match("^%[(.*)%]$") or values.bind)
  if bind and not address.is_ip(bind) then
    return ('--bind: expected an IP address such as "127.0.0.1", got %q'):format(values.bind)
  end
  values.bind = bind
end

--- Reads the words after the command.
-- @return values with `paths`; or nil and what is wrong
function load.options(words)
  local values, rest = options.parse(words, load.OPTIONS)
  if not values then return nil, rest end
  local err = value_error(values)
  if err then return nil, err end
  if #rest == 0 then return nil, "expected the path of a config" end
  values.paths = rest
  values.policy_path = values.policy_path or {}
  values.port_offset = values.port_offset or 0
  return values
end

-- Certificates and keys are tried by the core's TLS library; it is not there in unit specs.
local function try_tls(model, entries)
  if not package.loaded["moongate.cdef"] then return model, entries end
  local mistakes = require("moongate.tls").try(model)
  if #mistakes == 0 then return model, entries end
  for i, mistake in ipairs(mistakes) do
    local file, line = mistake.at:match("^(.*):(%d+)$")
    mistakes[i] = { file = file, line = tonumber(line), message = mistake.message }
  end
  return nil, mistakes
end

--- Loads the config and prints its mistakes (and warnings) to `err`.
-- @return the model, or nil when there were mistakes
function load.model(values, err)
  for _, folder in ipairs(values.policy_path) do policy.add_path(folder) end
  local model, entries = config.load(values.paths, values)
  if model then model, entries = try_tls(model, entries) end
  for _, entry in ipairs(entries) do
    if model then entry.message = "warning: " .. entry.message end
    err(config.message(entry) .. "\n")
  end
  return model
end

return load
