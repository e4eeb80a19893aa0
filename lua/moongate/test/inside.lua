--- inside: a gateway for a test, in this process: the core's parser, lanes, pools, retries and timers, with connections
-- in memory and a clock that is held.
local abi = require "moongate.abi"
local compiled = require "moongate.compiled"
local core = require "moongate.rehearsal_core"
local message = require "moongate.rehearsal.message"
local places = require "moongate.test.places"
local runtime = require "moongate.runtime"
local timer = require "moongate.timer"
local worker = require "moongate.worker"
local world = require "moongate.test.world"

local C = abi.C

local inside = {}

inside.now = world.now

local function wire_of(connection)
  return {
    write = function(bytes) connection:feed(bytes) end, close = function() connection:feed("", true) end,
    reset = function() connection:fail(C.MG_ERESET) end, stand = function() connection:answer() end,
    refuse = function() connection:answer(C.MG_ECONNECT) end, after = world.after, now = world.now,
  }
end

-- What the client of a listener would be: who sends there speaks as the service that has the endpoint.
local function connect(model, address)
  for i, listener in ipairs(model.listeners) do
    if listener.address == address then
      local service = places.service_at(model, address)
      local tls = service and model.services[service].tls
      return core.connect {
        listener = i - 1, name = listener.name, address = "127.0.0.1", port = 40000,
        local_address = listener.host or "127.0.0.1", local_port = listener.port, tls = tls ~= nil,
        principal = tls and tls.cert and core.identity(tls.cert) or nil, sni = tls and tls.sni,
      }
    end
  end
end

-- What one connection hears from now on is fed to the other.
local function pass_on(from, to)
  local passed = 0
  world.hear(from, {
    on_bytes = function(bytes)
      to:feed(bytes:sub(passed + 1))
      passed = #bytes
    end,
    on_close = function(reset)
      if reset then to:fail(C.MG_ERESET) else to:feed("", true) end
    end,
  })
end

-- An endpoint that is a listener of the same config is served by it, as in the running gateway.
local function go_on(connection, inner)
  connection:answer()
  pass_on(connection, inner)
  pass_on(inner, connection)
end

local function swap_in(model)
  core.forget()
  local ready = compiled.new(model)
  for i, listener in ipairs(model.listeners) do
    C.mg_listener_configure(i - 1, worker.listener_conf(listener, nil))
  end
  runtime.swap(ready)
end

--- Makes `model` serve.
-- @param upstream_of function(address) giving the moongate.test.upstream there, or nil
function inside.start(model, upstream_of)
  world.begin(function(connection, address)
    local upstream = upstream_of(address)
    local inner = not upstream and connect(model, address)
    if inner then return go_on(connection, inner) end
    local wire = wire_of(connection)
    local on_bytes = upstream and upstream:accept(wire, address) or nil
    if not upstream then wire.refuse() end
    world.hear(connection, { on_bytes = on_bytes }) -- one that is refused, too: the core has to be told
  end)
  timer.begin_load()
  local ok, err = pcall(swap_in, model)
  timer.end_load(ok)
  if not ok then error(err, 0) end
end

--- Sends a request.
-- @param given { listener = of the model, index = of it from 1, request = for message.write(), address =, principal =,
-- sni = }
-- @param on_change function(response, ended) for all that comes back
function inside.send(given, on_change)
  local listener = given.listener
  local connection = core.connect {
    listener = given.index - 1, name = listener.name, address = given.address, port = 40000,
    local_address = listener.host or "127.0.0.1", local_port = listener.port,
    tls = listener.tls ~= nil or given.principal ~= nil, principal = given.principal, sni = given.sni,
  }
  local method = given.request.method
  world.hear(connection, {
    on_bytes = function(bytes) on_change(message.read(bytes, method, false), false) end,
    on_close = function() on_change(message.read(connection:written(), method, true), true) end,
  })
  connection:feed(message.write(given.request))
  return function() connection:feed("", true) end
end

inside.run = world.run
inside.metrics = core.metrics

return inside
