--- net: free ports, and the few blocking socket calls that the bench needs, on 127.0.0.1.
local ffi = require "ffi"

-- busted loads modules anew for each file, but declarations stay.
if not pcall(ffi.typeof, "struct mg_addr") then ffi.cdef [[
struct mg_addr { uint16_t family; uint16_t port; uint32_t ip; char zero[8]; };
struct mg_timeval { long sec; long usec; };
struct mg_unix_addr { uint16_t family; char path[32]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const void *addr, unsigned len);
int connect(int fd, const struct mg_addr *addr, unsigned len);
int setsockopt(int fd, int level, int name, const void *value, unsigned len);
uint16_t htons(uint16_t n); uint32_t htonl(uint32_t n);
long send(int fd, const void *bytes, size_t len, int flags); long recv(int fd, void *bytes, size_t len, int flags);
int close(int fd);
]] end

local C = ffi.C
local AF_UNIX, AF_INET, STREAM_CLOEXEC, SOL_SOCKET, RCVTIMEO, NOSIGNAL = 1, 2, 524289, 1, 20, 16384
local BUFFER = 65536 -- bytes
local LOWEST, HIGHEST = 10240, 32000 -- not one of those that the kernel gives to clients
local ADMIN = 15020 -- where a gateway of manifests has its admin address

local urandom = assert(io.open("/dev/urandom", "rb"))
math.randomseed(ffi.cast("uint32_t *", urandom:read(4))[0])
urandom:close()

local net = {}

local function address(port) return ffi.new("struct mg_addr", AF_INET, C.htons(port), C.htonl(0x7f000001)) end

local function bound(addr, len)
  local fd = C.socket(addr.family, STREAM_CLOEXEC, 0)
  if C.bind(fd, addr, len) == 0 then return fd end
  C.close(fd)
end

-- Makes the port this process's own, among all that run specs: they name it by an abstract socket of its number, which
-- goes with the process.  Returns that socket; nil when somebody has the port, or listens there.
local function reserve(port)
  if port == ADMIN then return nil end
  local name = ("\0moongate-spec-port-%d"):format(port)
  local mark = bound(ffi.new("struct mg_unix_addr", AF_UNIX, name), 2 + #name)
  local free = mark and bound(address(port), 16)
  if free then C.close(free) elseif mark then C.close(mark) end
  return free and mark
end

--- A port that nothing uses now and that is nobody else's as long as this process runs.
function net.free_port()
  for _ = 1, 1000 do
    local port = math.random(LOWEST, HIGHEST)
    if reserve(port) then return port end
  end
  error "no free port"
end

-- All of these ports, or none.
local function reserve_all(ports, offset)
  local marks = {}
  for port in pairs(ports) do
    local mark = reserve(port + offset)
    if not mark then
      for _, other in ipairs(marks) do C.close(other) end
      return false
    end
    marks[#marks + 1] = mark
  end
  return true
end

--- A number to add to each of these ports (a list; some may be the same), which makes them as free_port() gives them.
function net.free_offset(ports)
  local set, lowest, highest = {}, math.min(unpack(ports)), math.max(unpack(ports))
  for _, port in ipairs(ports) do set[port] = true end
  for _ = 1, 1000 do
    local offset = math.random(math.max(1, LOWEST - lowest), HIGHEST - highest)
    if reserve_all(set, offset) then return offset end
  end
  error "no free offset"
end

local function connected(port)
  local fd = C.socket(AF_INET, STREAM_CLOEXEC, 0)
  C.setsockopt(fd, SOL_SOCKET, RCVTIMEO, ffi.new("struct mg_timeval", 10, 0), 16)
  if C.connect(fd, address(port), 16) == 0 then return fd end
  C.close(fd)
end

--- True when something accepts at this port.
function net.accepts(port)
  local fd = connected(port)
  if fd then C.close(fd) end
  return fd ~= nil
end

-- Calls take(buffer, length) for all that comes until the peer closes; false: nothing accepts.
local function exchange(port, question, take)
  local fd = connected(port)
  if not fd then return false end
  C.send(fd, question, #question, NOSIGNAL)
  local buffer = ffi.new("char[?]", BUFFER)
  repeat
    local n = tonumber(C.recv(fd, buffer, BUFFER, 0))
    if n > 0 then take(buffer, n) end
  until n <= 0
  C.close(fd)
  return true
end

--- Sends `question` and returns all that comes until the peer closes, or nil.
function net.ask(port, question)
  local parts = {}
  if not exchange(port, question, function(buffer, n) parts[#parts + 1] = ffi.string(buffer, n) end) then return nil end
  return table.concat(parts)
end

--- Sends `question` and returns how many bytes come until the peer closes.
function net.swallow(port, question)
  local all = 0
  exchange(port, question, function(_, n) all = all + n end)
  return all
end

return net
