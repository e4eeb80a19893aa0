--- http: HTTP/1.1 messages of a spec, written as the spec says and read strictly: what a lenient reader would
-- forgive (a bare LF, a length beside chunks, bytes after a chunk) is an error here.
local loop = require "spec.support.loop"
local stream = require "spec.support.stream"

local http = {}

local headers_mt = {}

--- A field of a message by its name in lower case: the first value, or nil.
function headers_mt.__index(self, name)
  for _, field in ipairs(self) do
    if field[1]:lower() == name then return field[2] end
  end
end

--- All values of a field, in order.
function http.all(message, name)
  local values = {}
  for _, field in ipairs(message.headers) do
    if field[1]:lower() == name then values[#values + 1] = field[2] end
  end
  return values
end

-- Fields up to the empty line, which is at the end of `text`.
local function parse_fields(text)
  local fields, at = setmetatable({}, headers_mt), 1
  while at <= #text do
    local line, last = text:match("^([^\r\n]*)\r\n()", at)
    if not line then return nil, "a bare CR or LF in the head" end
    if line == "" then return last == #text + 1 and fields or nil, "bytes after the head" end
    local name, value = line:match "^([!#$%%&'*+%-.^_`|~%w]+):[ \t]*(.-)[ \t]*$"
    if not name or value:find "[%z\1-\8\11\12\14-\31\127]" then return nil, "no field: " .. line end
    fields[#fields + 1], at = { name, value }, last
  end
  return nil, "no end of the head"
end

-- The head up to its empty line: first line, fields, raw text; nil and why.
local function read_head(conn, limit)
  local raw, err, rest = conn:read_until("\r\n\r\n", limit)
  if not raw then return nil, err == "closed" and rest ~= "" and "closed inside the head" or err end
  local line, at = raw:match "^([^\r\n]*)\r\n()"
  if not line then return nil, "a bare CR or LF in the first line" end
  local fields, why = parse_fields(raw:sub(at))
  if not fields then return nil, why end
  return line, fields, raw
end

-- The chunked body and its trailers.
local function read_chunks(conn, limit)
  local parts = {}
  while true do
    local line, err = conn:read_until("\r\n", limit)
    if not line then return nil, err .. " inside the chunks" end
    local size = line:match "^(%x+)\r\n$"
    if not size then return nil, "no chunk size: " .. line end
    size = tonumber(size, 16)
    if size == 0 then break end
    local bytes = conn:read(size + 2, limit)
    if not bytes or bytes:sub(-2) ~= "\r\n" then return nil, "a chunk that does not end" end
    parts[#parts + 1] = bytes:sub(1, -3)
  end
  local text = ""
  repeat
    local line, err = conn:read_until("\r\n", limit)
    if not line then return nil, err .. " inside the trailers" end
    text = text .. line
  until line == "\r\n"
  local trailers, why = parse_fields(text)
  if not trailers then return nil, why end
  return table.concat(parts), trailers, #parts
end

-- How the message's body is delimited: "chunked", a length, or nil.
local function framing(fields)
  local message = { headers = fields }
  local lengths, codings = http.all(message, "content-length"), http.all(message, "transfer-encoding")
  if #lengths + #codings > 1 then return nil, "framed twice" end
  if #codings == 1 then return codings[1]:lower() == "chunked" and "chunked" or nil, "an unknown transfer coding" end
  if #lengths == 1 then return tonumber(lengths[1]:match "^%d+$"), "no length: " .. lengths[1] end
  return "none"
end

local function read_framed(conn, message, how, limit)
  if how == "chunked" then
    local body, trailers, chunks = read_chunks(conn, limit)
    if not body then return nil, trailers end
    message.body, message.trailers, message.chunks = body, trailers, chunks
  else
    local body, err, rest = conn:read(how, limit)
    if not body then return nil, ("%s after %d of %d bytes"):format(err, #rest, how) end
    message.body = body
  end
  return message
end

-- ---- responses ----------------------------------------------------------------------------

--- Reads only the head of a response (1xx too): { status =, reason =, headers =, raw = }, or nil and why.
function http.read_response_head(conn, limit)
  local line, fields, raw = read_head(conn, limit)
  if not line then return nil, fields end
  local status, reason = line:match "^HTTP/1%.1 ([1-9]%d%d) ([^%c]*)$"
  if not status then return nil, "no status line: " .. line end
  return { status = tonumber(status), reason = reason, headers = fields, raw = raw }
end

--- Reads the body that belongs to a head.
function http.read_response_body(conn, response, method, limit)
  local how, why = framing(response.headers)
  if not how then return nil, why end
  local status = response.status
  if method == "HEAD" or status == 204 or status == 304 or status < 200 then
    response.body = ""
    return response
  end
  if how ~= "none" then return read_framed(conn, response, how, limit) end
  local body, err = conn:read_all(limit)
  if not body or err ~= "closed" then return nil, err end
  response.body, response.until_close = body, true
  return response
end

--- Reads one whole response, those with a status of 1xx (but 101) into `interim`: the response, or nil and why.
-- @param method that of the request, for HEAD
function http.read_response(conn, method, limit)
  local interim = {}
  while true do
    local response, err = http.read_response_head(conn, limit)
    if not response then return nil, err end
    if response.status >= 200 or response.status == 101 then
      response.interim = interim
      return http.read_response_body(conn, response, method, limit)
    end
    interim[#interim + 1] = response
  end
end

-- ---- requests -----------------------------------------------------------------------------

--- The bytes of a request: { method = "GET", path = "/", host = "a.test", headers = { name = value or list },
-- body = "", chunks = { ... } and trailers = { name = value } (chunked then) }.
function http.format(request)
  local lines = { ("%s %s HTTP/1.1"):format(request.method or "GET", request.path or "/") }
  if request.host ~= false then lines[2] = "Host: " .. (request.host or "a.test") end
  for name, value in pairs(request.headers or {}) do
    for _, one in ipairs(type(value) == "table" and value or { value }) do lines[#lines + 1] = name .. ": " .. one end
  end
  local body = request.body or ""
  if request.chunks then
    lines[#lines + 1] = "Transfer-Encoding: chunked"
    for _, chunk in ipairs(request.chunks) do body = body .. ("%x\r\n%s\r\n"):format(#chunk, chunk) end
    body = body .. "0\r\n"
    for name, value in pairs(request.trailers or {}) do body = body .. name .. ": " .. value .. "\r\n" end
    body = body .. "\r\n"
  elseif request.body then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

--- Sends a request on a connection and reads its response.
function http.send(conn, request)
  local sent, err = conn:send(http.format(request))
  if not sent then return nil, err end
  return http.read_response(conn, request.method, request.limit)
end

--- One request on a connection of its own.
-- @param address a port on 127.0.0.1, or "host:port"
function http.ask(address, request)
  local conn = stream.connect(address)
  local response, err = http.send(conn, request or {})
  conn:close()
  return response, err
end

--- The path's answer, asked with GET; an error when there is none.
function http.get(address, path, headers)
  return assert(http.ask(address, { path = path, headers = headers }))
end

--- Asks until `check` of the response is true (it is at most asked for `limit` seconds): the response, or nil.
function http.ask_until(address, request, check, limit)
  return loop.poll(function()
    local response = http.ask(address, request)
    return response and check(response) and response or nil
  end, limit)
end

--- Reads the head of a request: { method =, target =, minor =, headers =, raw = }; nil and why.
function http.read_request_head(conn, limit)
  local line, fields, raw = read_head(conn, limit)
  if not line then return nil, fields end
  local method, target, minor = line:match "^(%S+) (%S+) HTTP/1%.([01])$"
  if not method then return nil, "no request line: " .. line end
  return { method = method, target = target, minor = tonumber(minor), headers = fields, raw = raw }
end

--- Reads the body that belongs to a request's head into it.
function http.read_request_body(conn, request, limit)
  local how, why = framing(request.headers)
  if not how then return nil, why end
  return read_framed(conn, request, how == "none" and 0 or how, limit)
end

return http
