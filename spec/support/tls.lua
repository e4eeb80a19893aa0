--- tls: a client's side of TLS on a luasocket connection, by OpenSSL's library (package libssl3, which openssl needs).
-- What comes of it has the methods of a socket that spec.support.stream uses, and goes into select as one.
local ffi = require "ffi"

-- busted loads modules anew for each file, but declarations stay.
if not pcall(ffi.typeof, "struct ssl_st") then ffi.cdef [[
struct ssl_st; struct ssl_ctx_st;
const void *TLS_client_method(void);
struct ssl_ctx_st *SSL_CTX_new(const void *method);
void SSL_CTX_free(struct ssl_ctx_st *ctx);
int SSL_CTX_load_verify_locations(struct ssl_ctx_st *ctx, const char *file, const char *path);
void SSL_CTX_set_verify(struct ssl_ctx_st *ctx, int mode, void *callback);
long SSL_CTX_ctrl(struct ssl_ctx_st *ctx, int command, long number, void *pointer);
struct ssl_st *SSL_new(struct ssl_ctx_st *ctx);
void SSL_free(struct ssl_st *ssl);
int SSL_set_fd(struct ssl_st *ssl, int fd);
long SSL_ctrl(struct ssl_st *ssl, int command, long number, const char *text);
int SSL_set1_host(struct ssl_st *ssl, const char *name);
int SSL_connect(struct ssl_st *ssl); int SSL_shutdown(struct ssl_st *ssl);
int SSL_read(struct ssl_st *ssl, void *bytes, int len); int SSL_write(struct ssl_st *ssl, const char *bytes, int len);
int SSL_get_error(const struct ssl_st *ssl, int rc); int SSL_pending(const struct ssl_st *ssl);
unsigned long ERR_get_error(void); void ERR_clear_error(void);
const char *ERR_reason_error_string(unsigned long code);
]] end

local C = ffi.load "libssl.so.3"
-- Numbers of openssl/ssl.h.
local VERIFY_PEER, MODE, PARTIAL_WRITE, MOVING_BUFFER = 1, 33, 1, 2
local SET_HOSTNAME = 55
local WANT_READ, WANT_WRITE, SYSCALL, ZERO_RETURN = 2, 3, 5, 6
local SIZE = 65536

local tls = {}
local methods = {}
local buffer = ffi.new("char[?]", SIZE)

--- A client's settings: it trusts the authorities in the file.
function tls.client(ca)
  local ctx = ffi.gc(C.SSL_CTX_new(C.TLS_client_method()), C.SSL_CTX_free)
  assert(C.SSL_CTX_load_verify_locations(ctx, ca, nil) == 1, ca)
  C.SSL_CTX_set_verify(ctx, VERIFY_PEER, nil)
  C.SSL_CTX_ctrl(ctx, MODE, PARTIAL_WRITE + MOVING_BUFFER, nil)
  return ctx
end

--- TLS on a socket that is connected, to the server `name`; the handshake is yet to be done.
function tls.wrap(sock, ctx, name)
  local ssl = ffi.gc(C.SSL_new(ctx), C.SSL_free)
  C.SSL_set_fd(ssl, sock:getfd())
  C.SSL_ctrl(ssl, SET_HOSTNAME, 0, name)
  C.SSL_set1_host(ssl, name)
  return setmetatable({ sock = sock, ssl = ssl, ctx = ctx }, { __index = methods })
end

-- What luasocket would say of a call that returned `rc`; "wantwrite" where a read waits for a write, and so on.
local function why(self, rc)
  local err = C.SSL_get_error(self.ssl, rc)
  if err == WANT_READ then return "wantread" end
  if err == WANT_WRITE then return "wantwrite" end
  self.failed = true
  if err == ZERO_RETURN or err == SYSCALL then return "closed" end
  local reason = C.ERR_reason_error_string(C.ERR_get_error())
  return reason == nil and "TLS error" or ffi.string(reason)
end

--- As luasec's: true, or nil and "wantread", "wantwrite" or why there is none.
function methods:dohandshake()
  C.ERR_clear_error()
  local rc = C.SSL_connect(self.ssl)
  if rc == 1 then return true end
  return nil, why(self, rc)
end

function methods:receive(count)
  if self.failed then return nil, "closed", "" end
  C.ERR_clear_error()
  local n = C.SSL_read(self.ssl, buffer, math.min(count, SIZE))
  if n > 0 then return ffi.string(buffer, n) end
  return nil, why(self, n), ""
end

function methods:send(bytes, from)
  if self.failed then return nil, "closed", from - 1 end
  C.ERR_clear_error()
  local n = C.SSL_write(self.ssl, ffi.cast("const char *", bytes) + from - 1, #bytes - from + 1)
  if n > 0 then return from - 1 + n end
  return nil, why(self, n), from - 1
end

function methods:getfd() return self.sock:getfd() end

--- For luasocket's select: whether bytes wait that the kernel knows nothing of.
function methods:dirty() return C.SSL_pending(self.ssl) > 0 end

function methods:setoption(...) return self.sock:setoption(...) end

function methods:close()
  if not self.failed then C.SSL_shutdown(self.ssl) end
  self.sock:close()
  C.SSL_free(ffi.gc(self.ssl, nil))
  self.ssl, self.failed = nil, true
end

return tls
