--- live: the same spec against a real gateway: a process of its own on free ports of loopback, with real sockets at
-- both ends (by luasocket, which has to be there: Debian's lua-socket). Time is real, and chance is chance.
local loopback = require "moongate.test.loopback"
local message = require "moongate.rehearsal.message"
local socket = require "socket"
local source = require "moongate.test.source"

local live = {}

local START_LIMIT = 30 -- seconds

local state -- of the gateway that runs: { pid =, pipe =, files =, ports = by listener, admin = }
local exe, policy_path

live.now, live.run = loopback.now, loopback.run

local function sh(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

local function quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function read(path)
  local file = io.open(path, "r")
  local text = file and file:read "*a" or ""
  if file then file:close() end
  return text
end

--- Once a run: folders in which the gateway looks for policies.
function live.setup(folders)
  exe, policy_path = sh("readlink /proc/$PPID/exe"):gsub("\n", ""), ""
  for _, folder in ipairs(folders) do policy_path = policy_path .. " --policy-path " .. quoted(folder) end
end

-- ---- the gateway --------------------------------------------------------------------------

--- Ends the gateway that runs, if one does.
function live.stop()
  if not state then return end
  loopback.close()
  os.execute(("kill -TERM %d 2>/dev/null"):format(state.pid))
  state.pipe:close() -- waits for its end
  for _, path in pairs(state.files) do os.remove(path) end
  state = nil
end

local function copy(value)
  if type(value) ~= "table" then return value end
  local result = {}
  for key, item in pairs(value) do result[key] = copy(item) end
  return result
end

-- The config with every address moved to loopback.
local function moved(config, upstream_of)
  local made = copy(config)
  made.admin = nil
  local own = {} -- endpoints that are listeners
  for name, listener in pairs(made.listeners) do
    state.ports[name] = loopback.free_port()
    own[listener.address] = "127.0.0.1:" .. state.ports[name]
    listener.address = "127.0.0.1:" .. state.ports[name]
  end
  for _, service in pairs(made.services or {}) do
    for i, endpoint in ipairs(service.endpoints or {}) do
      local address = type(endpoint) == "table" and endpoint.address or endpoint
      local at = own[address] or loopback.listen(address, upstream_of)
      if type(endpoint) == "table" then endpoint.address = at else service.endpoints[i] = at end
    end
  end
  return made
end

local function await_ready()
  local stop_at = socket.gettime() + START_LIMIT
  while not read(state.files.log):find "ready\n" do
    local gone = sh(("kill -0 %d 2>/dev/null || echo gone"):format(state.pid)) ~= ""
    if gone or socket.gettime() > stop_at then error("the gateway does not start:\n" .. read(state.files.log), 0) end
    socket.sleep(0.01)
  end
end

--- Starts a gateway with `config`, which has to be a table, in place of the one before.
function live.start(_, upstream_of, config)
  if type(config) ~= "table" then error("with --live a config has to be a table", 0) end
  live.stop()
  state = { files = { config = os.tmpname() .. ".lua", log = os.tmpname() }, ports = {},
    admin = loopback.free_port() }
  local file = assert(io.open(state.files.config, "w"))
  file:write(source.text(moved(config, upstream_of)))
  file:close()
  state.pipe = io.popen(("echo $$; exec %s run --workers 1 --admin 127.0.0.1:%d%s %s >%s 2>&1 </dev/null"):format(
    quoted(exe), state.admin, policy_path, state.files.config, state.files.log))
  state.pid = state.pipe:read "*n"
  await_ready()
end

--- Sends a request, as moongate.test.inside does.
function live.send(given, on_change)
  if given.principal or given.sni or given.listener.tls then
    error("with --live a client speaks clear text: no principal, no sni, no tls", 0)
  end
  local method = given.request.method
  return loopback.connect(given.address, state.ports[given.listener.name], message.write(given.request), {
    on_bytes = function(bytes) on_change(message.read(bytes, method, false), false) end,
    on_close = function(bytes) on_change(message.read(bytes, method, true), true) end,
  })
end

--- All metrics as text.
function live.metrics()
  local sock = assert(socket.connect("127.0.0.1", state.admin))
  sock:send("GET /stats/prometheus HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
  local text = sock:receive "*a"
  sock:close()
  return message.read(text or "", "GET", true).body
end

--- The lines logged so far, in the form that the kit has them.
function live.log()
  local list = {}
  for line in read(state.files.log):gmatch "[^\n]+" do
    local level, text = line:match "^%S+ (%l+) worker%S* (.*)$"
    if level then list[#list + 1] = level .. " " .. text end
  end
  return list
end

return live
