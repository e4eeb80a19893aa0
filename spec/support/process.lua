--- process: start programs, stop them by pid, and read what they cost.
-- A process is a table { pid, out, input }: `out` is the file of its standard output and error.
local ffi = require "ffi"

-- busted loads modules anew for each file, but declarations stay.
if not pcall(ffi.typeof, "struct mg_time") then ffi.cdef [[
int fork(void); int execvp(const char *file, char *const argv[]); void _exit(int status);
int waitpid(int pid, int *status, int options); int kill(int pid, int sig);
int open(const char *path, int flags, int mode); int close(int fd); int dup2(int from, int to);
int pipe2(int fds[2], int flags); int prctl(int option, unsigned long value);
struct mg_time { long sec; long nsec; };
int close_range(unsigned first, unsigned last, unsigned flags);
int clock_gettime(int clock, struct mg_time *out); int nanosleep(const struct mg_time *t, void *left);
]] end

local C = ffi.C
-- O_WRONLY | O_CREAT | O_TRUNC | O_APPEND: several processes write to one file, each at its end.
local O_CREATE_TRUNCATE, O_CLOEXEC = 577 + 1024, 524288
local PR_SET_PDEATHSIG, WNOHANG = 1, 1
local SIGKILL, SIGTERM = 9, 15
local running = {}

local process = {}

--- Seconds on the monotonic clock.
function process.now()
  local t = ffi.new "struct mg_time"
  C.clock_gettime(1, t)
  return tonumber(t.sec) + tonumber(t.nsec) / 1e9
end

function process.sleep(seconds)
  local t = ffi.new("struct mg_time", math.floor(seconds), math.floor(seconds % 1 * 1e9))
  C.nanosleep(t, nil)
end

--- Calls `ready` every `step` seconds until it returns something; nil when `limit` seconds passed first.
function process.poll(limit, step, ready)
  local deadline = process.now() + limit
  repeat
    local result = ready()
    if result then return result end
    process.sleep(step)
  until process.now() > deadline
end

local function become(argv, out, input)
  C.prctl(PR_SET_PDEATHSIG, SIGTERM) -- so that nothing outlives a run that is killed
  C.dup2(input, 0)
  C.dup2(out, 1)
  C.dup2(out, 2)
  C.close_range(3, 0xffffffff, 0) -- a server's socket must close when its owner closes it
  local list = ffi.new("char *[?]", #argv + 1)
  for i, arg in ipairs(argv) do list[i - 1] = ffi.cast("char *", arg) end
  C.execvp(argv[1], list)
  C._exit(127)
end

--- Starts `argv`, its output in the file `out`; with `held`, its input stays open until process.release().
function process.start(argv, out, held)
  local ends = ffi.new "int[2]"
  if held then
    assert(C.pipe2(ends, O_CLOEXEC) == 0, "no pipe")
  else
    ends[0], ends[1] = C.open("/dev/null", O_CLOEXEC, 0), -1
  end
  local file = C.open(out, O_CREATE_TRUNCATE + O_CLOEXEC, 420)
  assert(file >= 0, out .. ": cannot be written")
  local pid = C.fork()
  assert(pid >= 0, "cannot fork")
  if pid == 0 then become(argv, file, ends[0]) end
  C.close(file)
  C.close(ends[0])
  running[pid] = true
  return { pid = pid, out = out, input = ends[1], name = table.concat(argv, " ") }
end

--- Ends the input of a process started with `held`.
function process.release(p)
  if p.input >= 0 then C.close(p.input) end
  p.input = -1
end

--- Waits until it ends, at most `limit` seconds: its exit code (or 128 + signal), or nil.
function process.wait(p, limit)
  local status = ffi.new "int[1]"
  local function ended() return C.waitpid(p.pid, status, WNOHANG) ~= 0 end
  if not process.poll(limit, 0.01, ended) then return nil end
  running[p.pid] = nil
  process.release(p)
  local signal = status[0] % 128
  return signal > 0 and 128 + signal or math.floor(status[0] / 256)
end

--- Sends a signal by number.
function process.signal(pid, signal) return C.kill(pid, signal) == 0 end

--- True while it has not ended.
function process.alive(p) return running[p.pid] and process.wait(p, 0) == nil end

--- Asks it to end, and after 5 seconds makes it; its children never outlive it.
function process.stop(p)
  if not running[p.pid] then return end
  local pids = process.tree(p)
  C.kill(p.pid, SIGTERM)
  local ended = process.wait(p, 5)
  for i = ended and 2 or 1, #pids do C.kill(pids[i], SIGKILL) end
  if not ended then process.wait(p, 5) end
end

--- Stops all that were started and still run.
function process.stop_all()
  local left = {}
  for pid in pairs(running) do left[#left + 1] = { pid = pid, input = -1 } end
  for _, p in ipairs(left) do process.stop(p) end
end

--- What a shell command prints.
function process.read(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- The whole text of a file, or nil.
function process.file(path)
  local f = io.open(path)
  if not f then return nil end
  local text = f:read "*a"
  f:close()
  return text
end

--- The pids of a process and all its descendants.
function process.tree(p)
  local pids, at = { p.pid }, 1
  while pids[at] do
    local text = process.read("cat /proc/" .. pids[at] .. "/task/*/children 2>/dev/null")
    for child in text:gmatch "%d+" do pids[#pids + 1] = tonumber(child) end
    at = at + 1
  end
  return pids
end

--- CPU time in seconds of all threads of these pids together.
function process.cpu(pids)
  local paths, sum = {}, 0
  for i, pid in ipairs(pids) do paths[i] = "/proc/" .. pid .. "/task/*/schedstat" end
  local text = process.read("cat " .. table.concat(paths, " ") .. " 2>/dev/null")
  for ns in text:gmatch "(%d+) %d+ %d+\n" do sum = sum + tonumber(ns) end
  return sum / 1e9
end

--- Memory of one pid in bytes: { rss, private }; `private` is what no other process shares and is written to.
function process.memory(pid)
  local text = process.file("/proc/" .. pid .. "/smaps_rollup") or ""
  local function bytes(field) return tonumber(text:match(field .. ":%s+(%d+) kB") or 0) * 1024 end
  return { rss = bytes "Rss", private = bytes "Private_Dirty" }
end

return process
