--- traffic: the clients of the soak. Each asks one thing after another (spec/soak/kinds.lua), on a connection as its
-- manner is, and checks every byte that comes back.
local http = require "spec.support.http"
local kinds = require "spec.soak.kinds"
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"

local traffic = {}

-- ---- one exchange -------------------------------------------------------------------------

-- A client: { ledger =, manner =, conn = (nil: none is open) }.
local client_mt = { __index = {} }
local methods = client_mt.__index

-- The connection to ask on; nil when none came about, which is counted.
function methods:connection()
  if self.conn then return self.conn end
  local ok, conn = pcall(stream.connect, self.manner.port)
  if not ok then return nil, self.ledger:failed("no connection: " .. tostring(conn)) end
  conn.port = tonumber((select(2, conn.sock:getsockname())))
  self.ledger:opened(conn)
  if self.manner.tls then
    local good, err = conn:start_tls(self.manner.tls, "a.test")
    if not good then
      conn:close()
      return nil, self.ledger:failed("no handshake: " .. tostring(err), conn)
    end
  end
  self.conn = conn
  return conn
end

function methods:close()
  if self.conn then self.conn:close() end
  self.conn = nil
end

function methods:fail(why)
  self.ledger:failed(why, self.conn)
  self:close()
end

function methods:wrong(id, why)
  self.ledger:wrong(("request %s (%s): %s"):format(id, self.path or "", why))
  self:close()
end

-- Whether an answer is that of this request; `expected` is { status = 200, otherwise = another status that will do,
-- body =, refused = true when no policy has marked it }, `since` the edition that was the oldest when it was asked.
function methods:check(id, response, expected, since)
  local headers, edition = response.headers, tonumber(response.headers["x-edition"])
  local status = expected.status or 200
  if response.status ~= status and response.status ~= expected.otherwise then
    return self:wrong(id, ("%d in place of %d: %s"):format(response.status, status, response.body:sub(1, 100)))
  elseif expected.refused then
    return true
  elseif headers["x-asked"] ~= id or headers["x-said"] and headers["x-said"] ~= id then
    return self:wrong(id, "an answer to " .. tostring(headers["x-asked"]) .. "/" .. tostring(headers["x-said"]))
  elseif not edition or edition < since or edition > self.ledger.edition.written then
    return self:wrong(id, "by edition " .. tostring(edition))
  elseif response.status == status and expected.body and response.body ~= expected.body then
    return self:wrong(id, ("%d other bytes than the %d of it"):format(#response.body, #expected.body))
  elseif response.trailers and response.trailers[1] and response.trailers["x-trailer"] ~= id then
    return self:wrong(id, "another's trailer")
  end
  return true
end

--- Sends a request and checks its answer; the client's connection is closed where it does not go on.
-- @param request as http.format() takes it; @param expected see check()
function methods:ask(id, request, expected)
  local conn = self:connection()
  if not conn then return end
  self.path, request.headers = request.path, request.headers or {}
  request.headers["X-Id"] = id
  if self.manner.close then request.headers.Connection = "close" end
  local since = self.ledger.edition.served
  local sent, err = conn:send(http.format(request))
  local response
  if sent then response, err = http.read_response(conn, request.method) end
  if not response then return self:fail(("request %s, %s: %s"):format(id, request.path, tostring(err))) end
  if not self:check(id, response, expected, since) then return end
  self.ledger:answered(response.status)
  if response.headers.connection == "close" or response.until_close then self:close() end
  return true
end

-- ---- a client's life ----------------------------------------------------------------------

function methods:pause(seconds)
  loop.sleep(math.random() * 2 * (seconds or self.manner.pause))
end

--- Starts a client, which asks until the ledger says that it is to stop, and closes its connection when it is told to
-- be quiet.
-- @param manner { port =, tls = settings or nil, close = true for one connection a request, pause = seconds between two
-- requests, on average }
function traffic.client(ledger, manner)
  local self = setmetatable({ ledger = ledger, manner = manner }, client_mt)
  loop.spawn(function()
    ledger.busy = ledger.busy + 1
    while not ledger.stopping do
      if ledger.quiet then
        self:close()
        ledger.busy = ledger.busy - 1
        repeat loop.sleep(0.05) until not ledger.quiet
        if ledger.stopping then return end
        ledger.busy = ledger.busy + 1
      end
      kinds.draw()(self)
      if manner.close then self:close() end
      self:pause()
    end
    self:close()
    ledger.busy = ledger.busy - 1
  end)
end

return traffic
