--- kinds: all that a client of the soak may ask, as functions of the client (spec/soak/traffic.lua), and how often.
local answers = require "spec.soak.answers"
local http = require "spec.support.http"
local loop = require "spec.support.loop"

local kinds = {}

local SIZES = { 0, 1, 100, 1000, 4096, 20000, 65536, 300000 }

local count = 0

local function new_id()
  count = count + 1
  return ("%08x"):format(count)
end

local function size() return SIZES[math.random(#SIZES)] end

-- Bodies of answers: "/KIND/SIZE", answered with these bytes by `kind`, which may have a status of its own as well.
local function get(kind, expected)
  return function(self)
    local id, n = new_id(), size()
    local wanted = { body = answers.bytes(id, n) }
    for name, value in pairs(expected or {}) do wanted[name] = value end
    return self:ask(id, { path = ("/%s/%d"):format(kind, n), headers = { ["X-User"] = id:sub(-2) } }, wanted)
  end
end

-- The gateway's own; `refused`: no policy marks it.
local function own(kind, status, body, refused)
  return function(self)
    return self:ask(new_id(), { path = "/" .. kind }, { status = status, body = body, refused = refused })
  end
end

-- Bodies of requests, which come back; in chunks or with a length.
local function post(kind, chunked)
  return function(self)
    local id = new_id()
    local body = answers.bytes(id, size())
    local request = { method = "POST", path = "/" .. kind, body = body }
    if chunked then
      request.body, request.chunks, request.trailers = nil, {}, { ["X-Trailer"] = id }
      for at = 1, #body, 9000 do request.chunks[#request.chunks + 1] = body:sub(at, at + 8999) end
    end
    return self:ask(id, request, { body = kind == "reversed" and body:reverse() or body })
  end
end

-- A policy asks in the request's place.
function kinds.asked(self)
  local id = new_id()
  return self:ask(id, { path = "/asked" }, { body = answers.bytes(id, 100) })
end

function kinds.head(self)
  return self:ask(new_id(), { method = "HEAD", path = "/bytes/1000" }, { body = "" })
end

function kinds.drip(self)
  local id, conn = new_id(), self:connection()
  if not conn then return end
  local body = answers.bytes(id, 500)
  local bytes = http.format { method = "POST", path = "/echo", body = body, headers = { ["X-Id"] = id } }
  local since = self.ledger.edition.served
  for at = 1, #bytes, 70 do
    if not conn:send(bytes:sub(at, at + 69)) then break end
    loop.sleep(0.02)
  end
  local response, err = http.read_response(conn)
  if not response then return self:fail("a request in pieces: " .. tostring(err)) end
  if self:check(id, response, { body = body }, since) then self.ledger:answered(200) end
  if response.headers.connection == "close" then self:close() end
end

function kinds.pipeline(self)
  local conn, ids, bytes = self:connection(), {}, ""
  if not conn then return end
  for i = 1, 4 do
    ids[i] = new_id()
    bytes = bytes .. http.format { path = "/bytes/" .. i * 100, headers = { ["X-Id"] = ids[i] } }
  end
  local since = self.ledger.edition.served
  conn:send(bytes)
  for i, id in ipairs(ids) do
    local response, err = http.read_response(conn)
    if not response then return self:fail("a pipeline: " .. tostring(err)) end
    if not self:check(id, response, { body = answers.bytes(id, i * 100) }, since) then return end
    self.ledger:answered(200)
    if response.headers.connection == "close" then return self:close() end
  end
end

-- The upstream ends in the middle of the body: the client must see that, and never a whole answer.
function kinds.cut(self)
  local id, conn = new_id(), self:connection()
  if not conn then return end
  conn:send(http.format { path = "/cut/2000", headers = { ["X-Id"] = id } })
  local head, err = http.read_response_head(conn)
  if not head then return self:fail("an answer that is cut: " .. tostring(err)) end
  if http.read_response_body(conn, head) then return self:wrong(id, "half a body passed as a whole one") end
  self.ledger:answered(head.status)
  self:close()
end

-- Bytes that no policy gets to see.
local function malformed(status, request)
  return function(self)
    self:close()
    local conn = self:connection()
    if not conn then return end
    conn:send(request)
    local response, err = http.read_response(conn)
    if not response then return self:fail("a request that is refused: " .. tostring(err)) end
    if self:check("(none)", response, { status = status, refused = true }) then self.ledger:answered(status) end
    self:close()
  end
end

-- Goes away in the middle: of the request, or of the answer.
function kinds.leaves(self)
  local conn = self:connection()
  if not conn then return end
  local id = new_id()
  local bytes = http.format { method = "POST", path = "/echo", body = answers.bytes(id, 60000),
    headers = { ["X-Id"] = id } }
  conn:send(bytes:sub(1, math.random(#bytes)))
  if math.random(2) == 1 then loop.sleep(0.01) end
  self:close()
  self.ledger:left()
end

-- What comes through a tunnel goes back; some last long, over reloads and others' deaths.
function kinds.tunnel(self)
  local id = new_id()
  self:close()
  local conn = self:connection()
  if not conn then return end
  conn:send(("GET /tunnel HTTP/1.1\r\nHost: a.test\r\nX-Id: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    :format(id))
  local head, err = http.read_response_head(conn)
  if not head then return self:fail("a tunnel: " .. tostring(err)) end
  if head.status ~= 101 then return self:wrong(id, "no tunnel but " .. head.status) end
  for _ = 1, math.random(40) do
    local bytes = answers.bytes(id, math.random(5000))
    conn:send(bytes)
    local back, why = conn:read(#bytes)
    if not back then return self:fail("inside a tunnel: " .. tostring(why)) end
    if back ~= bytes then return self:wrong(id, "other bytes came through the tunnel") end
    self.ledger:answered "tunnelled"
    if self.ledger.stopping or self.ledger.quiet then break end
    self:pause(0.5)
  end
  self:close()
end

local WEIGHTS = {
  { 20, get "bytes" }, { 6, get "chunks" }, { 6, get "wait" }, { 6, get "split" }, { 4, get "delayed" },
  { 4, get "canary" }, { 4, kinds.asked }, { 4, get "secure" }, { 4, get("limited", { otherwise = 429 }) },
  { 10, post "echo" }, { 8, post("echo", true) }, { 6, post "reversed" }, { 3, post "mirrored" },
  { 4, kinds.head }, { 4, kinds.pipeline }, { 3, kinds.drip }, { 2, kinds.cut }, { 3, kinds.leaves },
  { 1, kinds.tunnel },
  { 2, own("denied", 403, "RBAC: access denied") }, { 2, own("aborted", 418) }, { 2, own("raised", 500, nil, true) },
  { 2, own("refused", 503) }, { 2, own("garbage", 502) }, { 1, own("silent", 504, "upstream request timeout") },
  { 1, malformed(400, "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n") },
  { 1, malformed(431, "GET / HTTP/1.1\r\nHost: a\r\nX: " .. ("x"):rep(9000) .. "\r\n\r\n") },
  { 1, malformed(413, "POST /echo HTTP/1.1\r\nHost: a\r\nX-Id: 00000000\r\nContent-Length: 2000000\r\n\r\n") },
}

local total = 0
for _, one in ipairs(WEIGHTS) do total = total + one[1] end

--- One of the things to ask, a function of the client.
function kinds.draw()
  local point = math.random(total)
  for _, one in ipairs(WEIGHTS) do
    point = point - one[1]
    if point <= 0 then return one[2] end
  end
end

return kinds
