--- rehearsal: runs requests through a model without a socket, in one process.
-- The bytes of a request go through the core's own parser, the lanes, the router and the chains, and the bytes of the
-- answer come out. No endpoint is asked: `answer` speaks for them; where an endpoint is a listener of the same model,
-- the request goes on there, as in the running gateway.
local abi = require "moongate.abi"
local core = require "moongate.rehearsal_core"
local message = require "moongate.rehearsal.message"
local seam = require "moongate.rehearsal.seam"

local rehearsal = {}
rehearsal.__index = rehearsal

local C, span = abi.C, abi.span
local MOST_TURNS, MOST_HOPS = 1000, 10

local opened = false

--- Puts the seam in place; before the runtime or a policy is loaded.
rehearsal.install = seam.install

-- ---- what the seam tells ------------------------------------------------------------------

function rehearsal.duration(ms)
  return require("moongate.units").show_duration(ms)
end

local function current()
  return require("moongate.ctx").current()
end

-- The request as it goes to the endpoint.
local function outgoing(self, ctx)
  local req = ctx.req
  local headers = {}
  for name, value in req.headers:each() do headers[#headers + 1] = { name, value } end
  local body = C.mg_request_body(ctx._x, span) == 0 and abi.text(span[0]) or ""
  if body == "" and ctx._x.has_body then body = self.body end
  return { method = req.method, target = req.query and req.path .. "?" .. req.query or req.path,
    authority = req.authority, headers = headers, body = body }
end

function rehearsal:forwarded(x)
  local ctx = current()
  self.pending[#self.pending + 1] = { x = x, ctx = ctx, request = outgoing(self, ctx) }
end

function rehearsal.upstream_address()
  local ctx = current()
  local endpoint = ctx and ctx._x.attempts > 0 and ctx.endpoint
  return endpoint and endpoint.address
end

function rehearsal:note(text)
  self.on_note(current(), text)
end

function rehearsal:logged(line)
  self.lines[#self.lines + 1] = line
end

-- ---- in the endpoint's place --------------------------------------------------------------

local FRAMING = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true, ["keep-alive"] = true }

-- The listener of this model that an endpoint is, with its index from 0.
local function listener_at(self, address)
  for i, listener in ipairs(self.model.listeners) do
    if listener.address == address then return listener, i - 1 end
  end
end

local function principal_of(service)
  return service.tls and service.tls.cert and core.identity(service.tls.cert) or nil
end

local function go_on(self, ctx, request, listener, index)
  local service = self.model.services[ctx.backend.service]
  local tls = service.tls
  return self:ask({
    listener = index, address = "127.0.0.1", local_address = listener.host, tls = tls ~= nil,
    principal = principal_of(service), sni = tls and tls.sni, request = request, from = ctx,
  })
end

local function take(ctx, response)
  local x = ctx._x
  C.mg_respond(x, response.status, response.body, #response.body)
  for _, header in ipairs(response.headers) do
    if not FRAMING[header[1]:lower()] then
      C.mg_header_add(x, C.MG_RESPONSE, header[1], #header[1], header[2], #header[2])
    end
  end
end

local function answer_next(self)
  local entry = table.remove(self.pending, 1)
  local ctx = entry.ctx
  local listener, index = listener_at(self, ctx.endpoint.address)
  local response
  if listener and self.hops < MOST_HOPS then
    self.hops = self.hops + 1
    response = go_on(self, ctx, entry.request, listener, index)
    self.hops = self.hops - 1
  else
    response = self.answer(ctx, entry.request)
  end
  take(ctx, response)
  core.wake(tonumber(abi.cast("uintptr_t", entry.x)), C.MG_OK)
end

-- ---- requests -----------------------------------------------------------------------------

-- Until nothing moves any more; what waits for an endpoint is answered on the way.
local function settle(self, connection)
  for _ = 1, MOST_TURNS do
    local some = connection:turn()
    if self.pending[1] then
      answer_next(self)
    elseif not some then
      return
    end
  end
  error("rehearsal: the request does not come to its end")
end

--- Runs one request.
-- @param given { listener = index from 0, address = the peer's, local_address =, tls =, principal =, sni =, and
--   request = { method =, target =, authority =, headers = array of { name, value }, body = } or bytes = text,
--   from = ctx of the request that this one continues, or nil }
-- @return { status =, reason =, headers = array of { name, value }, body = }
function rehearsal:ask(given)
  local listener = self.model.listeners[given.listener + 1]
  local outer = self.body
  self.body = given.request and given.request.body or ""
  self.on_ask(given)
  local connection = core.connect {
    listener = given.listener, name = listener.name, address = given.address, port = given.port or 40000,
    local_address = given.local_address or listener.host or "127.0.0.1", local_port = listener.port,
    tls = given.tls, principal = given.principal, sni = given.sni,
  }
  connection:feed(given.bytes or message.write(given.request))
  settle(self, connection)
  local response = message.read(connection:written())
  connection:feed("", true)
  settle(self, connection)
  self.body = outer
  return response
end

--- Makes what stands for a worker; before a model is compiled.
function rehearsal.open()
  if not opened then core.open(require("moongate.runtime").lane) end
  opened = true
end

--- A rehearsal of `model` (moongate.model).
-- @param options { answer = function(ctx, request) giving the response of an endpoint (absent: 200, empty),
--   compiled = moongate.compiled of the model or what stands for it, on_note = function(ctx or nil, text) of what
--   would have happened, on_ask = function(given) before each request }
function rehearsal.new(model, options)
  local runtime, worker = require "moongate.runtime", require "moongate.worker"
  rehearsal.open()
  local self = setmetatable({ model = model, pending = {}, lines = {}, hops = 0, body = "",
    answer = options.answer or function() return { status = 200, headers = {}, body = "" } end,
    on_note = options.on_note or function() end, on_ask = options.on_ask or function() end }, rehearsal)
  seam.tell(self)
  for i, listener in ipairs(model.listeners) do
    C.mg_listener_configure(i - 1, worker.listener_conf(listener, nil))
  end
  runtime.swap(options.compiled or require("moongate.compiled").new(model))
  return self
end

return rehearsal
