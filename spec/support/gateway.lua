--- gateway: the real program on free ports of 127.0.0.1, started and stopped by a spec.
local http = require "spec.support.http"
local loop = require "spec.support.loop"
local net = require "spec.support.net"
local process = require "spec.support.process"

local gateway = {}
local methods = {}

--- The binary that all specs run.
gateway.binary = os.getenv "MOONGATE" or "build/moongate"

local SIGTERM, SIGKILL = 15, 9
local READY_LIMIT, STOP_LIMIT = 60, 40
local running = {}

--- A new folder, removed by gateway.stop_all().
function gateway.folder()
  local path = process.read("mktemp -d"):gsub("%s+$", "")
  assert(path:find "^/", "no folder")
  gateway.folders = gateway.folders or {}
  table.insert(gateway.folders, path)
  return path
end

--- Writes a file, and returns its path.
function gateway.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

-- "$name" in a config: the given value, else a free port, the same one for the same name.
local function fill(text, values, ports)
  return (text:gsub("%$([%a_][%w_]*)", function(name)
    if values[name] ~= nil then return tostring(values[name]) end
    ports[name] = ports[name] or net.free_port()
    return tostring(ports[name])
  end))
end

--- Runs the program to its end: exit code, all output.
function gateway.run(...)
  local out = os.tmpname()
  local p = process.start({ gateway.binary, ... }, out)
  local code = process.wait(p, READY_LIMIT)
  if not code then process.stop(p) end
  local text = process.file(out)
  os.remove(out)
  return code, text
end

--- The JSON that `explain --json` prints for a request { method =, path =, host =, headers = } to the files at `path`;
-- `words` are more options.
function gateway.explained(path, request, words)
  local list = { "--json", "--method", request.method, "--path", request.path, "--host", request.host, unpack(words) }
  for name, value in pairs(request.headers) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do
      list[#list + 1], list[#list + 2] = "--header", name .. ": " .. one
    end
  end
  local code, text = gateway.run("explain", path, unpack(list))
  assert(code == 0, text)
  return text:match "\n({.*)" or text -- warnings stand before it
end

local function launch(self, options)
  self.ports = {}
  for name, text in pairs(options.files or {}) do
    gateway.write(self.folder .. "/" .. name, fill(text, options.values or {}, self.ports))
  end
  self.path = gateway.write(self.folder .. "/" .. (options.name or "gateway.lua"),
    fill(options.config, options.values or {}, self.ports))
  local argv = { gateway.binary, "run", options.run_folder and self.folder or self.path,
    "--workers", tostring(options.workers or 1) }
  for _, word in ipairs(options.args or {}) do argv[#argv + 1] = (word:gsub("%$folder", self.folder)) end
  if options.shell then argv = { "sh", "-c", options.shell .. ' && exec "$@"', self.folder, unpack(argv) } end
  self.out = self.folder .. "/log"
  self.process = process.start(argv, self.out)
  self.pid = self.process.pid
  running[self] = true
  return loop.poll(function()
    if self:log():find "ready\n" then return "ready" end
    if not process.alive(self.process) then return "ended" end
  end, READY_LIMIT)
end

--- Starts it and waits until it is ready.
-- @param options { config = text of the config, where "$web" is a free port (then ports.web) unless `values` has it;
-- files = more of them by name; name = "gateway.lua"; workers = 1; args = more words; run_folder = true to run the
-- folder rather than the file; shell = a command that goes before, as "ulimit -n 200" ("$0": the folder) }
-- @return { ports =, path =, folder =, pid =, ... } with the methods below
function gateway.start(options)
  local self = setmetatable({ folder = gateway.folder() }, { __index = methods })
  if launch(self, options) == "ready" then return self end
  process.stop(self.process)
  running[self] = nil
  error("the gateway did not start:\n" .. self:log(), 2)
end

--- Starts it on manifests, with an admin address (ports.admin).
-- @param options as above, but for `name`
function gateway.start_mesh(options)
  local admin = net.free_port()
  local args = { "--admin", "127.0.0.1:" .. admin }
  for _, word in ipairs(options.args or {}) do args[#args + 1] = word end
  local self = gateway.start(setmetatable({ name = "mesh.yaml", args = args }, { __index = options }))
  self.ports.admin = admin
  return self
end

--- What it has printed so far; or since it had printed `from` bytes.
function methods:log(from)
  local file = io.open(self.out)
  if not file then return "" end
  file:seek("set", from or 0)
  local text = file:read "*a"
  file:close()
  return text
end

--- Waits until a line of the log has the text (plain): what follows it on the line; nil when none came.
function methods:logged(text, limit)
  return loop.poll(function()
    local _, last = self:log():find(text, 1, true)
    return last and self:log():match("^[^\n]*", last + 1)
  end, limit or 5)
end

--- Asks the listener `name` ("web").
function methods:ask(request, name) return http.ask(self.ports[name or "web"], request) end

--- Pids of the workers (and of the admin process, when there is one).
function methods:children()
  local pids = process.tree(self.process)
  table.remove(pids, 1)
  return pids
end

--- The text of the metrics.
function methods:scrape() return http.get(self.ports.admin, "/stats/prometheus").body end

--- The sum of a metric's series that have all these labels ({ name = value }), 0 when there are none.
function methods:metric(name, labels)
  local sum, found = 0, 0
  for line in self:scrape():gmatch "[^\n]+" do
    local own, rest, value = line:match "^([%w_:]+)(%b{}) (%S+)$"
    if not own then own, value = line:match "^([%w_:]+) (%S+)$" end
    local fits = own == name
    for label, text in pairs(fits and labels or {}) do
      fits = fits and rest ~= nil and rest:find(('%s="%s"'):format(label, text), 1, true) ~= nil
    end
    if fits then sum, found = sum + tonumber(value), found + 1 end
  end
  return sum, found
end

--- Waits until a metric has this value: it counts when a request ends, which may be after its last byte.
function methods:counts(name, labels, value)
  local last
  local ok = loop.poll(function()
    last = self:metric(name, labels)
    return last == value or nil
  end, 5)
  return ok and value or last
end

function methods:signal(number) return process.signal(self.pid, number) end

--- Writes another config in place of its own ("$names" as before) and reloads; waits (30 seconds at most, or `limit`)
-- for what the log says.
function methods:reload(config, values, expected, limit)
  gateway.write(self.path, fill(config, values or {}, self.ports))
  local before = #self:log()
  self:signal(1)
  local text = expected or "reloaded"
  return loop.poll(function() return self:log(before):find(text, 1, true) and true end, limit or 30)
end

local function complaint(log, crash)
  for _, mark in ipairs { "AddressSanitizer", "LeakSanitizer", "runtime error:", "Assertion" } do
    if log:find(mark, 1, true) then return mark end
  end
  local found = log:match "==%d+== [^\n]+" -- spec/support/valgrind
  if found then return found end
  return not crash and log:find("killed by signal", 1, true) and "killed by signal" or nil
end

--- Stops it as an operator would, and makes sure that it ended well: with 0, nothing crashed, no sanitizer complained.
-- @param expected { crash = true } when the spec itself killed a worker
function methods:stop(expected)
  if not running[self] then return end
  running[self] = nil
  process.signal(self.pid, SIGTERM)
  local deadline = loop.now() + STOP_LIMIT
  local code
  repeat
    code = process.wait(self.process, 0)
    if not code then loop.sleep(0.01) end
  until code or loop.now() > deadline
  if not code then
    for _, pid in ipairs(process.tree(self.process)) do process.signal(pid, SIGKILL) end
    process.wait(self.process, 5)
    error("the gateway did not stop:\n" .. self:log(), 2)
  end
  local bad = complaint(self:log(), expected and expected.crash)
  if bad or code ~= 0 then
    error(("the gateway ended with %d%s:\n%s"):format(code, bad and " (" .. bad .. ")" or "", self:log()), 2)
  end
end

--- Stops all that still run, removes the folders, and forgets the tasks of the spec: for `after_each` or `teardown`.
function gateway.stop_all()
  local first
  for self in pairs(running) do
    local ok, err = pcall(self.stop, self)
    first = first or not ok and err or nil
  end
  for _, path in ipairs(gateway.folders or {}) do os.execute("rm -rf '" .. path .. "'") end
  gateway.folders = {}
  loop.reset()
  if first then error(first, 0) end
end

return gateway
