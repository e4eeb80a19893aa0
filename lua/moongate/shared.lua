--- shared: dictionaries that all workers share: texts by name, with expiry and atomic counters.
-- A dictionary that is full forgets what was used longest ago.
local abi = require "moongate.abi"
local closed = require "moongate.closed"
local units = require "moongate.units"
local shared = {}

local C = abi.C
local methods = {}
local make, handles = closed.class(methods)

local length, number, ttl = abi.new "uint64_t[1]", abi.new "double[1]", abi.new "uint64_t[1]"
local nothing = abi.new "mg_str"
local capacity = 4096
local buffer = abi.new("char[?]", capacity)

local function ms(seconds) return seconds and math.max(1, math.floor(seconds * 1000)) or 0 end

local function outcome(rc)
  if rc == 0 then return true end
  return nil, "shared: " .. abi.error_text(rc)
end

--- The dictionary of that name, the same for every policy and worker; `options.size` counts when it is new.
-- @return the dictionary, or nil and why there is no room
function shared.open(name, options)
  local size = units.size(options and options.size or "1MiB")
  local handle = C.mg_shared_open(name, #name, size)
  if handle == nil then return nil, ("shared: no room for '%s'"):format(name) end
  return make(handle)
end

--- The text under `key`, or nil.
function methods.get(self, key)
  local rc = C.mg_shared_get(handles[self], abi.str(key), buffer, capacity, length)
  if rc ~= 0 then return nil end
  if length[0] > capacity then
    capacity = tonumber(length[0])
    buffer = abi.new("char[?]", capacity)
    return self:get(key)
  end
  return abi.string(buffer, length[0])
end

--- Stores a text (or number) for `seconds` (nil: until it is pushed out).
-- @return true, or nil and why (larger than a quarter of the dictionary)
function methods.set(self, key, value, seconds)
  value = tostring(value)
  return outcome(C.mg_shared_set(handles[self], abi.str(key), abi.str(value), ms(seconds), false))
end

--- Stores it only if `key` is free.
-- @return true, or false when it is taken, or nil and why
function methods.add(self, key, value, seconds)
  value = tostring(value)
  local rc = C.mg_shared_set(handles[self], abi.str(key), abi.str(value), ms(seconds), true)
  if rc == C.MG_EPHASE then return false end
  return outcome(rc)
end

--- Stores `new` for `seconds` if what is there is `old` (nil: if nothing is), at once for all workers.
-- @return true, or false when something else is there by now, or nil and why
function methods.swap(self, key, old, new, seconds)
  local rc = C.mg_shared_swap(handles[self], abi.str(key), old and abi.str(old) or nothing, abi.str(new), ms(seconds))
  if rc == C.MG_EPHASE then return false end
  return outcome(rc)
end

--- Removes `key`; whether it was there.
function methods.delete(self, key) return C.mg_shared_delete(handles[self], abi.str(key)) == 0 end

--- Adds `by` to the number under `key`, at once for all workers; a free key starts at `init` (0), for `seconds`.
-- @return the new number, or nil and why
function methods.incr(self, key, by, init, seconds)
  local rc = C.mg_shared_incr(handles[self], abi.str(key), by, init or 0, ms(seconds), number)
  if rc ~= 0 then return outcome(rc) end
  return number[0]
end

--- Seconds until `key` expires; nil when it is not there, math.huge when it does not expire.
function methods.ttl(self, key)
  if C.mg_shared_ttl(handles[self], abi.str(key), ttl) ~= 0 then return nil end
  return ttl[0] == 0 and math.huge or tonumber(ttl[0]) / 1000
end

return shared
