--- headers: the fields of one message of an exchange, as a policy sees them.
-- Names compare in any case; order is that of the wire; Set-Cookie is never joined.
-- h[name] reads the first value, h[name] = v sets the only one, h[name] = nil removes all.
local abi = require "moongate.abi"
local closed = require "moongate.closed"

local C, span, span2 = abi.C, abi.span, abi.span2
local ffi_string, check_running = abi.string, closed.check_running

local headers = {}
local methods = {}
local inside -- { x =, side =, pos = } of each object

local function fail(what, name, rc)
  error(("headers: cannot %s '%s': %s"):format(what, tostring(name), abi.error_text(rc)), 3)
end

local function check_name(name)
  if type(name) ~= "string" then error("headers: expected a field's name, got a " .. type(name), 3) end
end

--- The first value of `name`, or nil.
function methods:get(name)
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  if C.mg_header_get(h.x, h.side, name, #name, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len)
  end
end

--- All values of `name` in order; an empty list when there is none.
function methods:get_all(name)
  local h, all = inside[self], {}
  check_running(h.x)
  check_name(name)
  local pos = h.pos
  pos[0] = 0
  while C.mg_header_next_of(h.x, h.side, name, #name, pos, span) == 0 do
    all[#all + 1] = ffi_string(span[0].ptr, span[0].len)
  end
  return all
end

--- The value of `name` at or after `pos` (0 to begin with) and where to go on; nothing at the end.  Makes no table.
function methods:next_of(name, pos)
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  local at = h.pos
  at[0] = pos
  if C.mg_header_next_of(h.x, h.side, name, #name, at, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len), at[0]
  end
end

--- Makes `value` the only value of `name`.  Raises for what cannot stand in a message.
function methods:set(name, value)
  value = tostring(value)
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  local rc = C.mg_header_set(h.x, h.side, name, #name, value, #value)
  if rc ~= 0 then fail("set", name, rc) end
end

--- Adds one more field.  Raises for what cannot stand in a message.
function methods:add(name, value)
  value = tostring(value)
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  local rc = C.mg_header_add(h.x, h.side, name, #name, value, #value)
  if rc ~= 0 then fail("add", name, rc) end
end

--- Removes all fields of that name; nothing happens when there is none.
function methods:remove(name)
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  local rc = C.mg_header_remove(h.x, h.side, name, #name)
  if rc ~= 0 and rc ~= C.MG_ENOENT then fail("remove", name, rc) end
end

local pos_type = abi.typeof "uint32_t[1]"

local iteration_of
local new_iteration, iterations = closed.class(nil) -- what each() goes over, as closed as the headers
iteration_of = iterations

local function next_field(iteration)
  local state = iteration_of[iteration]
  check_running(state.x)
  if C.mg_header_next(state.x, state.side, state.pos, span, span2) ~= 0 then return nil end
  return ffi_string(span[0].ptr, span[0].len), ffi_string(span2[0].ptr, span2[0].len)
end

--- for name, value in h:each() do ... end: every field in order; fields may be edited meanwhile.
function methods:each()
  local h = inside[self]
  check_running(h.x)
  return next_field, new_iteration { x = h.x, side = h.side, pos = pos_type() }
end

-- h[name] and h[name] = v; a method's name is never a field's here: use get() and set() for a field "get".
local function index(self, name)
  local method = methods[name]
  if method then return method end
  local h = inside[self]
  check_running(h.x)
  check_name(name)
  if C.mg_header_get(h.x, h.side, name, #name, span) == 0 then
    return ffi_string(span[0].ptr, span[0].len)
  end
end

local function newindex(self, name, value)
  if value == nil then return methods.remove(self, name) end
  return methods.set(self, name, value) -- as if called by who assigns, whose line an error has
end

local make, map = closed.class(index, newindex)
inside = map

--- The fields of `side` (MG_REQUEST or MG_RESPONSE) of the exchange `x`; made once a lane.
function headers.new(x, side)
  return make { x = x, side = side, pos = pos_type() }
end

return headers
