--- net: free ports, and the few blocking socket calls that the bench needs, on 127.0.0.1.
local ffi = require "ffi"

-- busted loads modules anew for each file, but declarations stay.
if not pcall(ffi.typeof, "struct mg_addr") then ffi.cdef [[
struct mg_addr { uint16_t family; uint16_t port; uint32_t ip; char zero[8]; };
struct mg_timeval { long sec; long usec; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct mg_addr *addr, unsigned len);
int connect(int fd, const struct mg_addr *addr, unsigned len);
int setsockopt(int fd, int level, int name, const void *value, unsigned len);
uint16_t htons(uint16_t n); uint32_t htonl(uint32_t n);
long send(int fd, const void *bytes, size_t len, int flags); long recv(int fd, void *bytes, size_t len, int flags);
int close(int fd);
]] end

local C = ffi.C
local AF_INET, STREAM_CLOEXEC, SOL_SOCKET, RCVTIMEO, NOSIGNAL = 2, 524289, 1, 20, 16384
local given = {}

local urandom = assert(io.open("/dev/urandom", "rb"))
math.randomseed(ffi.cast("uint32_t *", urandom:read(4))[0])
urandom:close()

local net = {}

local function address(port) return ffi.new("struct mg_addr", AF_INET, C.htons(port), C.htonl(0x7f000001)) end

--- A port that nothing uses now and that was not given before.  Not one of those that the kernel gives to clients.
function net.free_port()
  for _ = 1, 1000 do
    local port = math.random(10240, 32000)
    local fd = C.socket(AF_INET, STREAM_CLOEXEC, 0)
    local free = C.bind(fd, address(port), 16) == 0
    C.close(fd)
    if free and not given[port] then
      given[port] = true
      return port
    end
  end
  error "no free port"
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

--- Sends `question` and returns all that comes until the peer closes, or nil.
function net.ask(port, question)
  local fd = connected(port)
  if not fd then return nil end
  C.send(fd, question, #question, NOSIGNAL)
  local buffer, parts = ffi.new("char[65536]"), {}
  repeat
    local n = tonumber(C.recv(fd, buffer, 65536, 0))
    if n > 0 then parts[#parts + 1] = ffi.string(buffer, n) end
  until n <= 0
  C.close(fd)
  return table.concat(parts)
end

return net
