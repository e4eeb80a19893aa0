--- Lets specs require, outside the binary, the Lua modules that C provides, and what C does for fake_abi: compiles
-- them when first asked for.
require "spec.support.init"
local ffi = require "ffi"

local native = {}

-- Each spec has modules of its own; what is loaded is all of theirs.
local loaded = debug.getregistry()["moongate.spec.native"] or {}
debug.getregistry()["moongate.spec.native"] = loaded

ffi.cdef "void *dlopen(const char *file, int flags);"
local LAZY, NO_DELETE = 1, 0x1000

-- Objects that a library made, and frees, may outlive its handle: the last collection takes them in any order.
local function keep(file) assert(ffi.C.dlopen(file, LAZY + NO_DELETE) ~= nil) end

local function load(file)
  keep(file)
  return ffi.load(file)
end

local MODULES = {
  ["moongate.yaml_events"] = { sources = "core/script/yaml.c core/script/yaml_marks.c "
    .. "core/script/yaml_scalar.c core/script/yaml_table.c", libs = "-lyaml -lm", opener = "luaopen_moongate_yaml" },
  ["moongate.image_codec"] = { sources = "core/script/image.c core/script/image_read.c core/base/buf.c core/base/err.c",
    libs = "", opener = "luaopen_moongate_image" },
}

local COMMAND = "%s -D_GNU_SOURCE -O1 -fPIC -shared -Icore $(pkg-config --cflags luajit) -o %s %s %s"

-- `use` gets the path of a shared object, which is gone afterwards.
local function compiled(compiler, sources, libs, use)
  local file = os.tmpname()
  local done = os.execute(COMMAND:format(compiler, file, sources, libs))
  assert(done == 0 or done == true, "cannot compile " .. sources)
  local result = use(file)
  os.remove(file)
  return result
end

--- The functions of core/base/re2.h, as ffi.load() gives them.
function native.re2()
  loaded.re2 = loaded.re2 or compiled("c++ -std=c++17", "core/base/re2.cc", "-lre2", load)
  return loaded.re2
end

local CRYPTO = [[
int mg_crypto_digest(int algorithm, const void *data, size_t len, uint8_t *out, uint32_t *outlen);
int mg_crypto_hmac(int algorithm, const void *key, size_t keylen, const void *data, size_t len, uint8_t *out,
                   uint32_t *outlen);
struct mg_key *mg_signature_rsa(mg_str modulus, mg_str exponent);
struct mg_key *mg_signature_ec(int bits, mg_str x, mg_str y);
void mg_signature_free(struct mg_key *key);
int mg_signature_verify(struct mg_key *key, int scheme, int digest, mg_str data, mg_str signature);
]]

--- The functions of core/net/crypto.h and core/net/signature.h; fake_abi has declared their types.
function native.crypto()
  if not loaded.crypto then
    ffi.cdef(CRYPTO)
    loaded.crypto = compiled("cc -std=c11", "core/net/crypto.c core/net/signature.c", "-lmbedcrypto", load)
  end
  return loaded.crypto
end

--- The functions of core/base/zip.h, as ffi.load() gives them.
function native.zip()
  if not loaded.zip then
    ffi.cdef [[
      struct mg_gzip *mg_zip_decoder(uint64_t limit, uint32_t ratio);
      struct mg_gzip *mg_zip_encoder(int level);
      void mg_zip_free(struct mg_gzip *z);
      void mg_zip_feed(struct mg_gzip *z, mg_str in, bool last);
      int mg_zip_next(struct mg_gzip *z, mg_str *out);
    ]]
    loaded.zip = compiled("cc -std=c11", "core/base/zip.c", "-lz", load)
  end
  return loaded.zip
end

for name, module in pairs(MODULES) do
  package.preload[name] = package.preload[name] or function()
    loaded[name] = loaded[name] or compiled("cc -std=c11", module.sources, module.libs, function(file)
      keep(file)
      return assert(package.loadlib(file, module.opener))
    end)
    return loaded[name]()
  end
end

return native
