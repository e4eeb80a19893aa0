--- fleet: the servers of a run: started, asked and watched.
-- What is measured has the first processor, the backends and the load generator share the last one: so a server's time
-- holds none of the switches that sharing one costs, and as the slowest part it always finds a batch of work.
local json = require "cjson"
local net = require "spec.support.net"
local process = require "spec.support.process"
local known = require "spec.bench.servers"

local HERE = "spec/bench"
local START_LIMIT, LOAD_LIMIT = 60, 60
local CONNECTIONS = 64

local fleet = {}
local folder, programs, last_cpu

local function fill(text, values)
  return (text:gsub("@(%u+)@", function(name) return values[name] and tostring(values[name]) end))
end

local function write(path, text)
  local f = assert(io.open(path, "w"))
  f:write(text)
  f:close()
  return path
end

local function pinned(argv, cpu)
  return { "taskset", "-c", tostring(cpu), unpack(argv) }
end

local function describe(p)
  return p.name .. "\n" .. (process.file(p.out) or "")
end

--- Waits until it accepts (a gateway: until it says "ready"); `start` seconds are kept in server.start_time.
local function await(server)
  local begun = process.now()
  local up = process.poll(START_LIMIT, 0.001, function()
    if not process.alive(server.process) then error("ended at once: " .. describe(server.process), 0) end
    if server.gateway then return (process.file(server.process.out) or ""):find "ready%s*\n" end
    return net.accepts(server.port)
  end)
  if not up then error("did not start: " .. describe(server.process), 0) end
  server.start_time = process.now() - begun
end

-- The path of a server's config, made of its template.
local function write_config(server, name, values)
  local text, kind = fill(assert(process.file(HERE .. "/" .. server.template)), values), server.template
  if kind:find "%.yaml%.lua$" then text, kind = assert(loadstring(text, "=" .. kind))(), kind:gsub("%.lua$", "") end
  return write(name .. kind:match "%.%w+$", text)
end

local function launch(server, values)
  local name = folder .. "/" .. server.id:gsub(" ", "-")
  server.port, server.admin = net.free_port(), net.free_port()
  values.PORT, values.ADMIN, values.COUNT = server.port, server.admin, server.count
  values.COUNTS = server.counts
  if server.template then values.CONFIG = write_config(server, name, values) end
  local argv = {}
  for i, arg in ipairs(server.command) do argv[i] = fill(arg, values) end
  if not server.scrape then argv = pinned(argv, server.feeds and last_cpu or 0) end
  server.process = process.start(argv, name .. ".log")
  await(server)
end

--- Starts all servers that are known, or those but the gateway's: a list, and by id too.
function fleet.start(build, peers_only)
  folder, programs = build .. "/bench/run", build .. "/bench"
  os.execute("mkdir -p " .. folder)
  last_cpu = tonumber(process.read "nproc") - 1
  local here = process.read("cd " .. HERE .. " && pwd"):gsub("\n", "")
  local values = { HERE = here, TEMP = process.read("cd " .. folder .. " && pwd"):gsub("\n", ""),
                   PROGRAMS = programs, MOONGATE = build .. "/moongate" }
  local started = {}
  local function add(server)
    launch(server, values)
    started[#started + 1] = server
    started[server.id] = server
    return server
  end
  values.A = add({ id = "backend", feeds = true, command = { "@PROGRAMS@/backend", "@PORT@", "a" } }).port
  values.B = add({ id = "backend b", feeds = true, command = { "@PROGRAMS@/backend", "@PORT@", "b" } }).port
  for _, server in ipairs(known) do
    if not (peers_only and server.gateway) then add(server) end
  end
  return started
end

local function load_command(server, requests, how)
  local argv = { programs .. "/load", "-c", tostring(how.connections or CONNECTIONS) }
  local function option(flag, value)
    if value then argv[#argv + 1], argv[#argv + 2] = flag, tostring(value) end
  end
  option("-n", how.count)
  option("-t", how.seconds)
  option("-r", how.rate)
  option("-x", how.header)
  if how.hold then argv[#argv + 1] = "-H" end
  argv[#argv + 1] = tostring(server.port)
  argv[#argv + 1] = write(folder .. "/requests", table.concat(requests, "\n") .. "\n")
  return server.scrape and argv or pinned(argv, last_cpu)
end

--- What a load generator has printed; raises when anything was answered wrongly.
local function answer_of(server, p)
  local text = process.file(p.out) or ""
  local ok, answer = pcall(json.decode, text)
  if not ok then error(server.id .. ": load failed: " .. text, 0) end
  if answer.errors > 0 or answer.requests == 0 then
    error(("%s: %d wrong answers (first: %s) %s\n%s"):format(server.id, answer.errors, answer.first_error, text,
      describe(server.process)), 0)
  end
  return answer
end

--- Runs the load generator, calling `meanwhile` again and again if given, and returns its answer.
-- `how`: count or seconds, rate, header, connections.
function fleet.load(server, requests, how, meanwhile)
  local p = process.start(load_command(server, requests, how), folder .. "/load.json")
  while meanwhile and process.alive(p) do meanwhile() end
  if process.alive(p) and not process.wait(p, LOAD_LIMIT) then
    process.stop(p)
    error(server.id .. ": load did not end", 0)
  end
  return answer_of(server, p)
end

--- Opens so many connections that each did one request and stay; returns a function that closes them.
function fleet.hold(server, requests, connections)
  local how = { connections = connections, hold = true }
  local p = process.start(load_command(server, requests, how), folder .. "/held.json", true)
  if not process.poll(LOAD_LIMIT, 0.05, function() return (process.file(p.out) or ""):find "\n" end) then
    error(server.id .. ": could not open " .. connections .. " connections", 0)
  end
  answer_of(server, p)
  return function()
    process.release(p)
    process.wait(p, LOAD_LIMIT)
  end
end

--- How many answers with 200 the server itself has counted.
function fleet.counted(server)
  local sum = 0
  local text = net.ask(server.admin, server.counter.ask) or ""
  for part in text:gmatch(server.counter.pattern) do sum = sum + tonumber(part) end
  return sum
end

return fleet
