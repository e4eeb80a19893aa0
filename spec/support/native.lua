--- Lets specs require, outside the binary, the Lua modules that C provides, and what C does for fake_abi: compiles
-- them when first asked for.
require "spec.support.init"
local ffi = require "ffi"

local native = {}

local MODULES = {
  ["moongate.yaml_events"] = { sources = "core/script/yaml.c core/script/yaml_marks.c "
    .. "core/script/yaml_scalar.c core/script/yaml_table.c", libs = "-lyaml -lm", opener = "luaopen_moongate_yaml" },
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
  native.loaded = native.loaded or compiled("c++ -std=c++17", "core/base/re2.cc", "-lre2", ffi.load)
  return native.loaded
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
  if not native.crypto_loaded then
    ffi.cdef(CRYPTO)
    native.crypto_loaded = compiled("cc -std=c11", "core/net/crypto.c core/net/signature.c", "-lmbedcrypto", ffi.load)
  end
  return native.crypto_loaded
end

--- The functions of core/base/zip.h, as ffi.load() gives them.
function native.zip()
  if not native.zip_loaded then
    ffi.cdef [[
      struct mg_gzip *mg_zip_decoder(uint64_t limit, uint32_t ratio);
      struct mg_gzip *mg_zip_encoder(int level);
      void mg_zip_free(struct mg_gzip *z);
      void mg_zip_feed(struct mg_gzip *z, mg_str in, bool last);
      int mg_zip_next(struct mg_gzip *z, mg_str *out);
    ]]
    native.zip_loaded = compiled("cc -std=c11", "core/base/zip.c", "-lz", ffi.load)
  end
  return native.zip_loaded
end

for name, module in pairs(MODULES) do
  package.preload[name] = package.preload[name] or function()
    return compiled("cc -std=c11", module.sources, module.libs, function(file)
      return assert(package.loadlib(file, module.opener))()
    end)
  end
end

return native
