--- load: the bench's load generator beside a spec's own loop: many keep-alive clients at a rate, told to end.
local gateway = require "spec.support.gateway"
local json = require "cjson"
local loop = require "spec.support.loop"
local process = require "spec.support.process"

local load = {}

--- Starts it.
-- @param o { build = the build's folder, port =, requests = array of lines (spec/bench/requests.h), connections =,
-- rate = requests a second }
function load.start(o)
  local folder = gateway.folder()
  gateway.write(folder .. "/requests", table.concat(o.requests, "\n") .. "\n")
  return process.start({ o.build .. "/bench/load", "-c", tostring(o.connections), "-r", tostring(o.rate), "-t", "36000",
    tostring(o.port), folder .. "/requests" }, folder .. "/load.json")
end

--- Ends it: what it printed, as a table.
function load.stop(p)
  process.signal(p.pid, 15)
  assert(loop.poll(function() return process.wait(p, 0) end, 60), "the load generator does not end")
  return json.decode(process.file(p.out))
end

--- Starts the bench's upstream, which answers "/.../b/SIZE": its address.
function load.backend(build, port)
  process.start({ build .. "/bench/backend", tostring(port), "a" }, gateway.folder() .. "/backend.log")
  return "127.0.0.1:" .. port
end

return load
