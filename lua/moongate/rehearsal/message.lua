--- message: requests and responses to bytes and back, for what stands at the other ends of a rehearsal.
-- It speaks for a well-behaved peer: what the gateway itself sends and reads is the core's business.
local message = {}

-- ---- reading ------------------------------------------------------------------------------

-- The first line, the fields as { name, value } and where the body begins; nil when the head is not whole.
local function head_of(bytes, at)
  local first, next_at = bytes:match("^([^\r\n]*)\r\n()", at)
  if not first or not bytes:find("\r\n\r\n", next_at - 2, true) then return nil end
  local fields = {}
  while true do
    local name, value, after = bytes:match("^([^:\r]+):[ \t]*([^\r]*)\r\n()", next_at)
    if not name then return first, fields, next_at + 2 end
    fields[#fields + 1] = { name, value }
    next_at = after
  end
end

local function field(fields, name)
  for _, one in ipairs(fields) do
    if one[1]:lower() == name then return one[2] end
  end
  return nil
end

-- What there is of a chunked body, and where its end is (nil: not there yet).
local function unchunk(bytes, at)
  local parts = {}
  while true do
    local size, data = bytes:match("^(%x+)[^\r\n]*\r\n()", at)
    if not size then return table.concat(parts), nil end
    local length = tonumber(size, 16)
    if length == 0 then
      local _, stop = bytes:find("\r\n", data, true)
      while stop and bytes:sub(data, stop) ~= "\r\n" do -- trailers
        data = stop + 1
        _, stop = bytes:find("\r\n", data, true)
      end
      return table.concat(parts), stop and stop + 1
    end
    parts[#parts + 1] = bytes:sub(data, data + length - 1)
    at = data + length + 2
    if #bytes < at - 1 then return table.concat(parts), nil end
  end
end

-- What there is of the body, and where what follows it begins (nil: it is not whole).
local function body_of(bytes, at, fields, until_close)
  if (field(fields, "transfer-encoding") or ""):lower() == "chunked" then return unchunk(bytes, at) end
  local length = tonumber(field(fields, "content-length"))
  if not length and until_close then return bytes:sub(at), nil end
  local stop = at + (length or 0)
  return bytes:sub(at, stop - 1), #bytes >= stop - 1 and stop or nil
end

--- The request in `bytes` from `at` on.
-- @return { method =, target =, headers = array of { name, value }, body = }, and where the next begins; nil: not whole
function message.request(bytes, at)
  local first, fields, start = head_of(bytes, at)
  if not first then return nil end
  local body, stop = body_of(bytes, start, fields, false)
  if not stop then return nil end
  local method, target = first:match("^(%S+) (%S+) HTTP/1%.%d$")
  return { method = method, target = target, headers = fields, body = body }, stop
end

--- The response in `bytes` (interim ones stand before it); status 0 where there is none.
-- @param method of the request: an answer to HEAD has no body
-- @param ended the peer sends no more
-- @return { status =, reason =, headers = array of { name, value }, body =, cut = it is not whole }
function message.read(bytes, method, ended)
  local first, fields, start = head_of(bytes, 1)
  if not first then return { status = 0, reason = "", headers = {}, body = "", cut = true } end
  local status, reason = first:match("^HTTP/1%.%d (%d+) ?(.*)$")
  if status:sub(1, 1) == "1" and status ~= "101" then return message.read(bytes:sub(start), method, ended) end
  local response = { status = tonumber(status), reason = reason, headers = fields, body = "", cut = false }
  if method == "HEAD" or status == "204" or status == "304" then return response end
  local framed = field(fields, "content-length") or field(fields, "transfer-encoding")
  local body, stop = body_of(bytes, start, fields, true)
  response.body, response.cut = body, not stop and (framed ~= nil or not ended)
  return response
end

-- ---- writing ------------------------------------------------------------------------------

--- The bytes of { method =, target =, authority =, headers = array of { name, value }, body = }.
function message.write(request)
  local lines = { ("%s %s HTTP/1.1"):format(request.method, request.target), "Host: " .. request.authority }
  for _, header in ipairs(request.headers) do lines[#lines + 1] = header[1] .. ": " .. header[2] end
  if request.body ~= "" then lines[#lines + 1] = "Content-Length: " .. #request.body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. request.body
end

--- The head of a response, with `framing` ("Content-Length: 3" or the like) as its last field; nil: none.
function message.head(status, headers, framing)
  local lines = { ("HTTP/1.1 %d Mock"):format(status) }
  for _, header in ipairs(headers) do lines[#lines + 1] = header[1] .. ": " .. header[2] end
  lines[#lines + 1] = framing
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

return message
