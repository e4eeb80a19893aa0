--- ctx: one exchange as a policy sees it; bound to a lane and cleared for each of its requests.
--
-- Fields: req, res (moongate.message), peer, client_address, local_address, request_id, listener, port, route,
-- backend, endpoint, own (this policy's notes on this request), shared (those of all), details (the response code's
-- details), and in the log phase duration, upstream_duration, bytes_in, bytes_out, attempts, upstream_address,
-- start_time, protocol.
local abi = require "moongate.abi"
local bodies = require "moongate.bodies"
local face = require "moongate.face"
local grpc = require "moongate.grpc"
local message = require "moongate.message"
local peer = require "moongate.peer"
local wait = require "moongate.wait"
local waker = require "moongate.waker"

local C, span, text = abi.C, abi.span, abi.text

local ctx = {}
local get, methods = {}, {}

-- ---- reading ------------------------------------------------------------------------------

--- The notes of the policy whose phase runs.
function get.own(self)
  local state = self._s
  local own = state.owns[state.i]
  if not own then
    own = {}
    state.owns[state.i] = own
    state.noted = true
  end
  return own
end

--- The notes that all policies of this request share.
function get.shared(self)
  local shared = self._s.shared
  if not shared then
    shared = {}
    self._s.shared = shared
  end
  return shared
end

--- What the runtime decided so far (nil: not yet), and what the core knows of the request.
-- A route that answers for there being none (`unrouted` in the model) is none.
function get.route(self)
  local route = self._s.route
  return route and not route.unrouted and route or nil
end
function get.backend(self) return self._s.backend or nil end
function get.endpoint(self) return self._s.endpoint or nil end
function get.details(self) return self._s.details or nil end
function get.client_address(self) return text(self._x.client_address) end
function get.request_id(self) return text(self._x.request_id) end
function get.port(self) return self._x.port end
function get.listener(self) return self._s.model.listeners[self._x.listener + 1] end
function get.local_reply(self) return self._s.is_local end
function get.grpc(self) return self._x.grpc end
function get.upgrade(self) return self._x.upgrade end
function get.attempts(self) return self._x.attempts end
function get.bytes_in(self) return tonumber(self._x.bytes_in) end
function get.bytes_out(self) return tonumber(self._x.bytes_out) end
function get.protocol(self) return self._x.minor == 0 and "HTTP/1.0" or "HTTP/1.1" end

--- The address that the client reached: the listener's own, or, where that is any, the connection's (nil: it is gone).
function get.local_address(self)
  local declared = self.listener.host
  if declared then return declared end
  return C.mg_local_address(self._x, span) == 0 and text(span[0]) or nil
end

--- Seconds from the request's first byte to the response's last (or to now).
function get.duration(self)
  local x = self._x
  local finish = x.end_ns ~= 0 and x.end_ns or C.mg_now_ns()
  return tonumber(finish - x.start_ns) / 1e9
end

--- Seconds from sending the last try to its response's head; nil when there was none.
function get.upstream_duration(self)
  local ns = self._x.upstream_ns
  return ns ~= 0 and tonumber(ns) / 1e9 or nil
end

--- Wall clock (seconds since 1970) of the request's first byte.
function get.start_time(self)
  return C.mg_wall_time() - tonumber(C.mg_now_ns() - self._x.start_ns) / 1e9
end

--- Where the last try went ("10.0.0.1:8080"); nil before the first.
function get.upstream_address(self)
  return C.mg_upstream_address(self._x, span) == 0 and text(span[0]) or nil
end

-- ---- acting -------------------------------------------------------------------------------

--- Answers here: the response with this status, body (string or nil) and headers (table of name to value or list of
-- values).  Return what it returns from `request` to stop the chain.
function methods:respond(status, body, headers)
  local x = self._x
  body = body or ""
  local grpc_headers
  if x.grpc then
    status, body, grpc_headers = grpc.answer(status, body)
  end
  local rc = C.mg_respond(x, status, body, #body)
  if rc ~= 0 then error(("ctx:respond(%s): %s"):format(tostring(status), abi.error_text(rc)), 2) end
  local res = self.res
  for name, value in pairs(grpc_headers or headers or {}) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do res.headers:add(name, one) end
  end
  if #body > 0 and not res.headers["content-type"] then res.headers:set("content-type", "text/plain") end
  self._s.is_local = true
  return res
end

--- Waits `ms` milliseconds; other requests go on.  Ends the lane when the client leaves meanwhile.
function methods:sleep(ms)
  local known = type(ms) == "number" and ms >= 0 and ms < 2 ^ 32
  if not known then error("ctx:sleep: expected milliseconds, at least 0, got " .. tostring(ms), 2) end
  wait.await(C.mg_sleep(self._x, ms), "ctx:sleep")
end

--- What ends this request's sleep early, from another one or a timer: an object with wake().
function methods:waker() return waker(self, ctx.mark(self)) end

--- What moongate.bodies has of them.
function methods:peek_body(bytes) return bodies.peek(self, bytes) end
function methods:read_body(limit) return bodies.read(self, limit) end
function methods:replace_body(bytes) return bodies.replace(self, bytes) end

--- Sends the request to this service (and subset) whatever the route's weights say.
function methods:use_backend(service, subset)
  if type(service) ~= "string" then error("ctx:use_backend: expected a service's name, got a " .. type(service), 2) end
  local backend, err = self._s.model:backend(service, subset)
  if not backend then error("ctx:use_backend: " .. err, 2) end
  self._s.chosen = backend
end

--- Adds a response flag, by Envoy's names ("DI", "UF", ...).
function methods:flag(name)
  if type(name) ~= "string" then error("ctx:flag: expected a string, got a " .. type(name), 2) end
  local flags = self._s.flags
  if flags == "-" then
    self._s.flags = name
  elseif not (("," .. flags .. ","):find("," .. name .. ",", 1, true)) then
    self._s.flags = flags .. "," .. name
  end
end

--- The response flags, "-" when there is none.
function methods:flags_text() return self._s.flags end

-- ---- life ---------------------------------------------------------------------------------

local mt = {}

function mt.__index(self, key)
  local f = get[key]
  if f then return f(self) end
  return methods[key]
end

function mt.__newindex(self, key, value)
  if key ~= "details" then error(("ctx.%s cannot be assigned; notes go to ctx.own"):format(tostring(key)), 2) end
  self._s.details = value
end

--- A ctx for the exchange `x`, kept for all its requests.  What changes from request to request is in _s, a table
-- without a metatable whose fields are all there from the start: so a store needs no look at the old value, and the
-- table never grows.
-- _f is its face, which policies get.
function ctx.new(x)
  local self = setmetatable({
    _x = x, req = message.request(x), res = message.response(x), peer = peer.new(x), _f = false,
    _s = {
      owns = {}, noted = false, phase = "request", i = 0, flags = "-", is_local = false, chosen = false, shared = false,
      token = false, model = false, chain = false, route = false, backend = false, endpoint = false, details = false,
      owner = false, mark = false,
    },
  }, mt)
  self._f = face.new(self)
  return self
end

face.declare(methods)

-- The ctx of every lane, by its coroutine; both go when a lane has died.
local by_lane = setmetatable({}, { __mode = "k" })

--- Makes `self` the ctx of the running lane.
function ctx.register(self)
  by_lane[coroutine.running()] = self
end

--- A coroutine that a policy resumes acts for the request whose lane resumes it.
function ctx.lend(coroutine_of_policy)
  by_lane[coroutine_of_policy] = ctx.current()
end

--- The ctx of a coroutine, or nil.
function ctx.of(lane) return by_lane[lane] end

--- The ctx of the lane that runs, or nil outside of one (while a config is loaded).
function ctx.current()
  local lane = coroutine.running()
  return lane and by_lane[lane]
end

--- Clears what the last request left, and takes the model this one lives with.
function ctx.begin(self, model)
  local state = self._s
  state.model = model
  if state.noted then
    state.owns, state.noted = {}, false
  end
  state.i, state.flags, state.is_local, state.chosen, state.shared, state.token = 0, "-", false, false, false, false
  state.details, state.route, state.backend, state.endpoint, state.mark = false, false, false, false, false
end

--- What stands for the request that `self` serves now, and for no other: compared, and not looked into.
function ctx.mark(self)
  local state = self._s
  state.mark = state.mark or {}
  return state.mark
end

--- Lets go of the model and what hangs on it: `self` waits for its next request.
function ctx.clear(self)
  ctx.begin(self, false)
  self._s.chain = false
end

--- The same for all that wait: a model that is replaced must not live on in them.
function ctx.clear_idle()
  for _, self in pairs(by_lane) do
    if self._x.start_ns == 0 then ctx.clear(self) end
  end
end

return ctx
