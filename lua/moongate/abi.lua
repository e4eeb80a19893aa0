--- abi: declares the C core's functions and checks that they are the ones this Lua was written for.
-- The only module that loads ffi; everybody else gets `C` and these few helpers.
local ffi = require "ffi"

ffi.cdef(require "moongate.cdef")

local C = ffi.C
local VERSION = 1

if C.mg_abi_version() ~= VERSION then
  error(("moongate.abi: written for ABI %d, the binary has %d"):format(VERSION, C.mg_abi_version()))
end

local abi = {
  C = C,
  string = ffi.string,
  new = ffi.new,
  typeof = ffi.typeof,
  cast = ffi.cast,
  copy = ffi.copy,
  gc = ffi.gc,
  --- Two spans for results, reused by all: read them before anything else is called.
  span = ffi.new "mg_str[1]",
  span2 = ffi.new "mg_str[1]",
}

local str_type = ffi.typeof "mg_str"

--- An mg_str that shows `s`.  The caller keeps `s` while C may look at it.  What is no string is taken for a mistake of
-- who called the caller: policies' arguments come here.
function abi.str(s)
  if type(s) ~= "string" then error("expected a string, got a " .. type(s), 3) end
  return str_type(s, #s)
end

--- The text of an mg_str, "" for an empty one.
function abi.text(span)
  if span.len == 0 then return "" end
  return ffi.string(span.ptr, span.len)
end

--- An array of mg_str over a list of strings, for calls that take one.  The caller keeps the list.
function abi.strs(list)
  local array = ffi.new("mg_str[?]", math.max(#list, 1))
  for i, s in ipairs(list) do
    array[i - 1].ptr, array[i - 1].len = s, #s
  end
  return array
end

--- What an outcome means, in words.
function abi.error_text(code)
  return ffi.string(C.mg_error_text(code))
end

return abi
