--- run: checks the config, then tells the core what to bind and run.
local address = require "moongate.model.address"
local load = require "moongate.cli.load"
local sources = require "moongate.config.sources"

local run = {}

run.usage = "run PATH..."
run.summary = "run the gateway"

local function join(host, port)
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- Where a declared address is bound, with --bind and --port-offset; or nil and what is wrong.
local function bound(declared, host, offset)
  if address.is_unix(declared) then return declared end
  local own_host, port = address.parse_ip(declared)
  if port + offset > 65535 then
    return nil, ("--port-offset: %s and %d more is above 65535"):format(declared, offset)
  end
  return join(host or own_host, port + offset)
end

local function listeners(model, values)
  local list = {}
  for i, listener in ipairs(model.listeners) do
    local at, err = bound(listener.address, values.bind, values.port_offset)
    if not at then return nil, err end
    list[i] = { name = listener.name, address = at, at = listener.at,
      mode = listener.mode and tonumber(listener.mode, 8) }
  end
  return list
end

-- --admin is bound as given. The config's own is shifted, but --bind does not open it to others.
local function admin(model, values)
  if values.admin or not model.admin then return values.admin end
  return bound(model.admin.address, nil, values.port_offset)
end

--- @return a table of what to run for the core: { action = "run", paths =, workers = (nil: one a core), admin =,
-- admin_at =, port_offset =, bind =, policy_path =, listeners = array of { name =, address =, at =, mode = },
-- image = bytes for the processes that serve, user =, group =, pid_file =, seccomp = }; or an exit code
function run.main(words, streams)
  local values, err = load.options(words)
  if not values then return streams.refuse(err, run) end
  sources.watch_all(values.watch)
  local model = load.model(values, streams.err, true)
  if not model then return 1 end
  values.action = "run"
  values.listeners, err = listeners(model, values)
  for name, value in pairs(model.process) do values[name] = value end
  values.admin_at = not values.admin and model.admin and model.admin.at or nil
  if not err then values.admin, err = admin(model, values) end
  if err then return streams.refuse(err, run) end
  return values
end

return run
