--- upstream: what answers in the place of a service, as a test says.
local fields_of = require "moongate.test.fields"
local message = require "moongate.rehearsal.message"
local suggest = require "moongate.suggest"

local upstream = {}
upstream.__index = upstream

local KNOWN = { status = "number", headers = "table", body = true, delay = "number", reset_at = "number",
  close_at = "number", refuse = "boolean", silent = "boolean" }

-- What is wrong with an answer, or nil.
local function problem(answer)
  if type(answer) ~= "table" then return "upstream: expected an answer to be a table, got " .. type(answer) end
  for key, value in pairs(answer) do
    local kind = KNOWN[key]
    if not kind then
      key = tostring(key)
      return ("upstream: unknown key '%s'%s"):format(key, suggest.hint(key, suggest.keys(KNOWN)))
    end
    if kind ~= true and type(value) ~= kind then return ("upstream: %s: expected a %s"):format(key, kind) end
  end
end

--- Says what it answers: a list, taken in turn, whose last one stays; one answer; or a function(request) giving one.
-- An answer is { status = 200, headers = { name = value or list of values }, body = text, or a list of texts and,
-- between them, pauses in ms, delay = ms before its head, reset_at = bytes after which the connection is reset,
-- close_at = bytes after which it is closed, refuse = true: no connection, silent = true: nothing, ever }.
-- @return the upstream itself
function upstream:answers(script)
  if type(script) ~= "function" then
    if type(script) ~= "table" or script[1] == nil then script = { script } end
    for i = 1, math.max(1, #script) do
      local why = problem(script[i])
      if why then error(why, 2) end
    end
  end
  self.script, self.at = script, 1
  return self
end

local function next_answer(self, request)
  if type(self.script) == "function" then
    local answer = self.script(request)
    local why = problem(answer)
    if why then
      local from = debug.getinfo(self.script, "S")
      error(("%s:%d: %s"):format(from.short_src, from.linedefined, why), 0)
    end
    return answer
  end
  local answer = self.script[self.at]
  if self.at < #self.script then self.at = self.at + 1 end
  return answer
end

--- One that answers 200 and nothing.
function upstream.new()
  return setmetatable({ requests = {} }, upstream):answers {}
end

-- Whether the script says itself where the body ends.
local function frames(fields)
  for _, field in ipairs(fields) do
    local name = field[1]:lower()
    if name == "content-length" or name == "transfer-encoding" then return true end
  end
  return false
end

-- The texts and pauses of an answer, in order.
local function pieces_of(answer, request)
  local status, body = answer.status or 200, answer.body or ""
  local bare = request.method == "HEAD" or status == 204 or status == 304
  local fields = fields_of(answer.headers)
  if type(body) == "string" then
    local framing = status ~= 204 and status ~= 304 and not frames(fields) and "Content-Length: " .. #body or nil
    return { answer.delay or 0, message.head(status, fields, framing) .. (bare and "" or body) }
  end
  local pieces = { answer.delay or 0, message.head(status, fields, "Transfer-Encoding: chunked") }
  for _, part in ipairs(bare and {} or body) do
    pieces[#pieces + 1] = type(part) == "number" and part or ("%x\r\n%s\r\n"):format(#part, part)
  end
  if not bare then pieces[#pieces + 1] = "0\r\n\r\n" end
  return pieces
end

-- Sends the pieces from `i` on; `left` bytes until the end that the answer asks for.
local function send(wire, pieces, i, left, at_end)
  local piece = pieces[i]
  if not piece then return end
  if type(piece) == "number" then
    if piece == 0 then return send(wire, pieces, i + 1, left, at_end) end
    return wire.after(piece, function() send(wire, pieces, i + 1, left, at_end) end)
  end
  if left and #piece >= left then
    wire.write(piece:sub(1, left))
    return at_end()
  end
  wire.write(piece)
  return send(wire, pieces, i + 1, left and left - #piece, at_end)
end

local function reply(wire, answer, request)
  if answer.silent then return end
  local at_end = answer.reset_at and wire.reset or wire.close
  send(wire, pieces_of(answer, request), 1, answer.reset_at or answer.close_at, at_end)
end

local function seen_as(request, address, now)
  local headers = {}
  for _, one in ipairs(request.headers) do
    local name = one[1]:lower()
    if headers[name] == nil then headers[name] = one[2] end
  end
  local path, query = request.target:match("^([^?]*)%??(.*)$")
  return { method = request.method, path = path, query = query ~= "" and query or nil, host = headers.host,
    headers = headers, fields = request.headers, body = request.body, endpoint = address, at = now }
end

--- Takes a connection to `address`.
-- @param wire { write(bytes), close(), reset(), refuse(), stand(), after(ms, fn), now() in ms }
-- @return function(all bytes so far), for what arrives; nothing when it refuses
function upstream:accept(wire, address)
  local coming = type(self.script) == "table" and self.script[self.at]
  if coming and coming.refuse then
    next_answer(self)
    return wire.refuse()
  end
  wire.stand()
  local at = 1
  return function(bytes)
    local request, after = message.request(bytes, at)
    while request do
      at = after
      local seen = seen_as(request, address, wire.now() / 1000)
      self.requests[#self.requests + 1] = seen
      reply(wire, next_answer(self, seen), request)
      request, after = message.request(bytes, at)
    end
  end
end

return upstream
