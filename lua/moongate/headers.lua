--- headers: the fields of one message of an exchange, as a policy sees them.
-- Names compare in any case; order is that of the wire; Set-Cookie is never joined.
-- h[name] reads the first value, h[name] = v sets the only one, h[name] = nil removes all.
local abi = require "moongate.abi"

local C, span, span2 = abi.C, abi.span, abi.span2
local ffi_string = abi.string

local headers = {}
local methods = {}

local function fail(what, name, rc)
  error(("headers: cannot %s '%s': %s"):format(what, tostring(name), abi.error_text(rc)), 3)
end

--- The first value of `name`, or nil.
function methods:get(name)
  if C.mg_header_get(self._x, self._side, name, #name, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len)
  end
end

--- All values of `name` in order; an empty list when there is none.
function methods:get_all(name)
  local all, pos = {}, self._pos
  pos[0] = 0
  while C.mg_header_next_of(self._x, self._side, name, #name, pos, span) == 0 do
    all[#all + 1] = ffi_string(span[0].ptr, span[0].len)
  end
  return all
end

--- The value of `name` at or after `pos` (0 to begin with) and where to go on; nothing at the end.  Makes no table.
function methods:next_of(name, pos)
  local at = self._pos
  at[0] = pos
  if C.mg_header_next_of(self._x, self._side, name, #name, at, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len), at[0]
  end
end

--- Makes `value` the only value of `name`.  Raises for what cannot stand in a message.
function methods:set(name, value)
  value = tostring(value)
  local rc = C.mg_header_set(self._x, self._side, name, #name, value, #value)
  if rc ~= 0 then fail("set", name, rc) end
end

--- Adds one more field.  Raises for what cannot stand in a message.
function methods:add(name, value)
  value = tostring(value)
  local rc = C.mg_header_add(self._x, self._side, name, #name, value, #value)
  if rc ~= 0 then fail("add", name, rc) end
end

--- Removes all fields of that name; nothing happens when there is none.
function methods:remove(name)
  local rc = C.mg_header_remove(self._x, self._side, name, #name)
  if rc ~= 0 and rc ~= C.MG_ENOENT then fail("remove", name, rc) end
end

local pos_type = abi.typeof "uint32_t[1]"

local function next_field(state)
  if C.mg_header_next(state.x, state.side, state.pos, span, span2) ~= 0 then return nil end
  return ffi_string(span[0].ptr, span[0].len), ffi_string(span2[0].ptr, span2[0].len)
end

--- for name, value in h:each() do ... end: every field in order; fields may be edited meanwhile.
function methods:each()
  return next_field, { x = self._x, side = self._side, pos = pos_type() }
end

local mt = {}

-- h[name] and h[name] = v; a method's name is never a field's here: use get() and set() for a field "get".
function mt.__index(self, name)
  local method = methods[name]
  if method then return method end
  if C.mg_header_get(self._x, self._side, name, #name, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len)
  end
end

function mt.__newindex(self, name, value)
  if value == nil then
    methods.remove(self, name)
  else
    methods.set(self, name, value)
  end
end

--- The fields of `side` (MG_REQUEST or MG_RESPONSE) of the exchange `x`; made once a lane.
function headers.new(x, side)
  return setmetatable({ _x = x, _side = side, _pos = pos_type() }, mt)
end

return headers
