--- fake_abi: moongate.abi without the binary, so that specs run the modules over it under a plain LuaJIT.
-- The types are those of core/moongate.h; the functions used here are Lua.  `fake_abi.reset()` forgets everything.
local ffi = require "ffi"
local native = require "spec.support.native"
local fake_abi = { lines = {}, logged = {}, wall_time = 0, monotonic_ns = 0, dicts = {} }

local function cdef_text()
  local lines = {}
  for line in io.lines("core/moongate.h") do
    if line:sub(1, 1) ~= "#" then lines[#lines + 1] = line end
  end
  return table.concat(lines, "\n")
end

ffi.cdef(cdef_text())
ffi.cdef [[
  struct mg_regex *mg_re2_new(mg_str pattern, mg_str *why);
  void mg_re2_free(struct mg_regex *re);
  bool mg_re2_match(const struct mg_regex *re, const char *text, uint32_t len);
  bool mg_re2_find(const struct mg_regex *re, const char *text, uint32_t len);
  bool mg_re2_check(const struct mg_regex *re, mg_str rewrite, mg_str *why);
  int mg_re2_replace(const struct mg_regex *re, mg_str text, mg_str rewrite, mg_str *out);
]]

local families, by_name = {}, {}

-- Slots are set to 0 and not dropped: families in moongate.metrics still point to them.
function fake_abi.reset()
  for _, family in ipairs(families) do
    for _, slots in pairs(family.slots) do slots[0], slots[1] = 0, 0 end
  end
  fake_abi.lines, fake_abi.logged = {}, {}
  for _, dict in pairs(fake_abi.dicts) do
    for key in pairs(dict) do dict[key] = nil end
  end
end

local function list_of(array, count)
  local list = {}
  for i = 0, count - 1 do list[i + 1] = ffi.string(array[i].ptr, array[i].len) end
  return list
end

local calls = {}

function calls.mg_metric_family(kind, name, help, labels, nlabels, bounds, nbounds, max_series)
  local id = by_name[name]
  if id and (families[id].kind ~= kind or #families[id].labels ~= nlabels) then return ffi.C.MG_EINVAL end
  if not id then
    id = #families + 1
    by_name[name] = id
    families[id] = { kind = kind, name = name, help = help, labels = list_of(labels, nlabels), bounds = {},
                     max_series = max_series, series = {}, slots = {} }
    for i = 1, nbounds do families[id].bounds[i] = bounds[i - 1] end
  end
  return id
end

function calls.mg_metric_series(id, values, count)
  local family, key = families[id], table.concat(list_of(values, count), "|")
  if not family.slots[key] then
    family.slots[key] = ffi.new("uint64_t[2]")
    family.series[#family.series + 1] = key
  end
  return family.slots[key]
end

-- A histogram's fake slots: the count, then the sum as a double's bits.
function calls.mg_metric_observe(_, slots, value)
  local sum = ffi.cast("double *", slots + 1)
  slots[0], sum[0] = slots[0] + 1, sum[0] + value
end

function calls.mg_wall_time() return fake_abi.wall_time end
function calls.mg_now_ns() return fake_abi.monotonic_ns end
function calls.mg_log_text(level, text, len) table.insert(fake_abi.logged, level .. " " .. text:sub(1, len)) end
function calls.mg_sink_get(path) return path == "/nowhere/x" and ffi.C.MG_ENOENT or 7 end
function calls.mg_sink_write(_, line) table.insert(fake_abi.lines, line) end

-- The size, and in place of times a hash of the text: a change shows at once.
function calls.mg_file_stamp(path, out)
  local file = io.open(path, "rb")
  if not file then return ffi.C.MG_ENOENT end
  local text, hash = file:read "*a", 5381
  file:close()
  for i = 1, #text do hash = (hash * 33 + text:byte(i)) % 4294967296 end
  out[0].size, out[0].changed = #text, hash
  return 0
end

function calls.mg_timer_start() return 0 end
function calls.mg_timer_stop() end
function calls.mg_error_text(code) return "error " .. code end
function calls.mg_random(buffer, count) for i = 0, count - 1 do buffer[i] = i * 7 % 256 end end

for _, name in ipairs { "decoder", "encoder", "free", "next" } do
  calls["mg_gzip_" .. name] = function(...) return native.zip()["mg_zip_" .. name](...) end
end

function calls.mg_gzip_feed(z, bytes, len, last) native.zip().mg_zip_feed(z, ffi.new("mg_str", bytes, len), last) end

local dicts = fake_abi.dicts -- by name: { key = value }; what expires is left to the gateway's own specs

function calls.mg_shared_open(name, len)
  name = name:sub(1, len)
  dicts[name] = dicts[name] or {}
  return dicts[name]
end

function calls.mg_shared_get(dict, key, out, cap, len)
  local value = dict[ffi.string(key.ptr, key.len)]
  if not value then return ffi.C.MG_ENOENT end
  len[0] = #value
  ffi.copy(out, value, math.min(#value, tonumber(cap)))
  return 0
end

function calls.mg_shared_set(dict, key, value, _, only_new)
  local name = ffi.string(key.ptr, key.len)
  if only_new and dict[name] then return ffi.C.MG_EPHASE end
  dict[name] = ffi.string(value.ptr, value.len)
  return 0
end

function calls.mg_shared_incr(dict, key, by, init, _, out)
  local name = ffi.string(key.ptr, key.len)
  out[0] = tonumber(dict[name] or init) + by
  dict[name] = ("%.17g"):format(out[0])
  return 0
end

function calls.mg_shared_swap(dict, key, old, value)
  local name = ffi.string(key.ptr, key.len)
  local expected = old.ptr ~= nil and ffi.string(old.ptr, old.len) or nil
  if dict[name] ~= expected then return ffi.C.MG_EPHASE end
  dict[name] = ffi.string(value.ptr, value.len)
  return 0
end

function calls.mg_shared_delete(dict, key)
  local name = ffi.string(key.ptr, key.len)
  local had = dict[name] ~= nil
  dict[name] = nil
  return had and 0 or ffi.C.MG_ENOENT
end

for name, base in pairs { get = "new", put = "free", match = "match", find = "find", check = "check",
                          replace = "replace" } do
  calls["mg_regex_" .. name] = function(...) return native.re2()["mg_re2_" .. base](...) end
end

function calls.mg_digest(algorithm, data, out, size)
  return native.crypto().mg_crypto_digest(algorithm, data.ptr, data.len, out, size)
end

function calls.mg_hmac(algorithm, key, data, out, size)
  return native.crypto().mg_crypto_hmac(algorithm, key.ptr, key.len, data.ptr, data.len, out, size)
end

for _, name in ipairs { "rsa", "ec", "free", "verify" } do
  calls["mg_key_" .. name] = function(...) return native.crypto()["mg_signature_" .. name](...) end
end

--- The value of the series with these labels: a counter's count, a gauge's value, a histogram's count and sum;
-- 0 or nil when there is none.
function fake_abi.value(name, ...)
  local family = families[by_name[name]]
  local slots = family and family.slots[table.concat({ ... }, "|")]
  if not slots then return nil end
  if family.kind == ffi.C.MG_METRIC_GAUGE then return ffi.cast("double *", slots)[0] end
  return tonumber(slots[0]), ffi.cast("double *", slots + 1)[0]
end

--- The series of a family that are not 0, as { label = value, key = all values joined by "|" }, in order of creation.
function fake_abi.series(name)
  local family, all = families[by_name[name]], {}
  for _, key in ipairs(family.series) do
    local labels, n = { key = key }, 0
    for value in (key .. "|"):gmatch("([^|]*)|") do
      n = n + 1
      labels[family.labels[n]] = value
    end
    if family.slots[key][0] ~= 0 then all[#all + 1] = labels end
  end
  return all
end

--- What was declared under `name`.
function fake_abi.family(name) return families[by_name[name]] end

local str_type = ffi.typeof "mg_str"

package.loaded["moongate.abi"] = {
  C = setmetatable(calls, { __index = function(_, name) return ffi.C[name] end }),
  string = ffi.string, new = ffi.new, typeof = ffi.typeof, cast = ffi.cast, copy = ffi.copy, gc = ffi.gc,
  span = ffi.new "mg_str[1]", span2 = ffi.new "mg_str[1]",
  str = function(s) return str_type(s, #s) end,
  text = function(span) return span.len == 0 and "" or ffi.string(span.ptr, span.len) end,
  strs = function(list)
    local array = ffi.new("mg_str[?]", math.max(#list, 1))
    for i, s in ipairs(list) do array[i - 1].ptr, array[i - 1].len = s, #s end
    return array
  end,
  error_text = function(code) return "error " .. code end,
}

return fake_abi
