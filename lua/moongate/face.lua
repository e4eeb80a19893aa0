--- face: a ctx as a policy holds it: what README lists, and no way to what is behind it.
-- The runtime works on the ctx itself; moongate.chain gives policies its face.
local closed = require "moongate.closed"

local face = {}

-- Read as the ctx reads them.
local FIELDS = {}
for _, name in ipairs {
  "req", "res", "peer", "client_address", "local_address", "request_id", "port", "protocol", "grpc", "upgrade",
  "upstream_address", "attempts", "local_reply", "details", "own", "shared", "duration", "upstream_duration",
  "start_time", "bytes_in", "bytes_out",
} do FIELDS[name] = true end

-- Parts of the model: a policy gets a copy of these fields, which it cannot change.
local VIEWS = {
  route = { "name" }, backend = { "service", "subset", "tls" }, endpoint = { "address", "labels", "workload" },
  listener = { "name", "address", "host", "port" },
}

local copies = {}
for name in pairs(VIEWS) do copies[name] = setmetatable({}, { __mode = "k" }) end

-- The copy of a part; made once, since a part does not change.
local function view(name, part)
  local copy = copies[name][part]
  if copy then return copy end
  local fields = {}
  for _, field in ipairs(VIEWS[name]) do fields[field] = part[field] end
  copy = closed.frozen(fields)
  copies[name][part] = copy
  return copy
end

local inside
local acts = {}

local function index(self, key)
  local act = acts[key]
  if act then return act end
  local ctx = inside[self]
  closed.check_running(ctx._x)
  if FIELDS[key] then return ctx[key] end
  if VIEWS[key] then
    local part = ctx[key]
    return part and view(key, part)
  end
end

local function newindex(self, key, value)
  if key ~= "details" then error(("ctx.%s cannot be assigned; notes go to ctx.own"):format(tostring(key)), 2) end
  if type(value) ~= "string" then error("ctx.details: expected a string, got a " .. type(value), 2) end
  local ctx = inside[self]
  closed.check_running(ctx._x)
  ctx.details = value
end

local make, map = closed.class(index, newindex, "kv")
inside = map

-- A function of the ctx as one of its face. Generated, so that each is a function of its own and compiles so.
local FORWARD = [[
local inside, act, name, check_running = ...
return function(self, a, b, c)
  local ctx = inside[self]
  if not ctx then error("ctx:" .. name .. ": expected the ctx that the policy got", 2) end
  check_running(ctx._x)
  return act(ctx, a, b, c)
end]]

--- Names the functions that a face has, once.
function face.declare(methods)
  for name, act in pairs(methods) do
    acts[name] = assert(load(FORWARD, "=face:" .. name, "t"))(inside, act, name, closed.check_running)
  end
end

--- The face of a ctx; the ctx keeps it.
face.new = make

--- The ctx behind a face; anything else is given back as it is.
function face.behind(value) return inside[value] or value end

return face
