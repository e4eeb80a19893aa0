--- activate: runs a program as systemd's socket activation does: with a socket that listens as descriptor 3.
-- usage: luajit activate.lua PORT PROGRAM WORD...
local ffi = require "ffi"

ffi.cdef [[
struct mg_addr { uint16_t family; uint16_t port; uint32_t ip; char zero[8]; };
int socket(int domain, int type, int protocol);
int bind(int fd, const struct mg_addr *addr, unsigned len);
int listen(int fd, int backlog);
int dup2(int from, int to);
int getpid(void);
int setenv(const char *name, const char *value, int over);
int execvp(const char *file, const char *const *argv);
uint16_t htons(uint16_t n); uint32_t htonl(uint32_t n);
]]
local C = ffi.C
local AF_INET, SOCK_STREAM = 2, 1

local fd = C.socket(AF_INET, SOCK_STREAM, 0)
assert(C.bind(fd, ffi.new("struct mg_addr", AF_INET, C.htons(tonumber(arg[1])), C.htonl(0x7f000001)), 16) == 0)
assert(C.listen(fd, 128) == 0)
if fd ~= 3 then assert(C.dup2(fd, 3) == 3) end
C.setenv("LISTEN_FDS", "1", 1)
C.setenv("LISTEN_PID", tostring(C.getpid()), 1)
local words = ffi.new("const char *[?]", #arg)
for i = 2, #arg do words[i - 2] = arg[i] end
C.execvp(arg[2], words)
error("cannot run " .. arg[2])
