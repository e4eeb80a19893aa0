--- message: requests to bytes and bytes to responses, for a rehearsal's connection.
local message = {}

--- The bytes of { method =, target =, authority =, headers = array of { name, value }, body = }.
function message.write(request)
  local lines = { ("%s %s HTTP/1.1"):format(request.method, request.target), "Host: " .. request.authority }
  for _, header in ipairs(request.headers) do lines[#lines + 1] = header[1] .. ": " .. header[2] end
  if request.body ~= "" then lines[#lines + 1] = "Content-Length: " .. #request.body end
  return table.concat(lines, "\r\n") .. "\r\n\r\n" .. request.body
end

local function unchunk(text)
  local parts, at = {}, 1
  while true do
    local size, data = text:match("^(%x+)[^\r]*\r\n()", at)
    if not size or tonumber(size, 16) == 0 then return table.concat(parts) end
    parts[#parts + 1] = text:sub(data, data + tonumber(size, 16) - 1)
    at = data + tonumber(size, 16) + 2
  end
end

--- The last response in `bytes` (interim ones stand before it); status 0 where there is none.
function message.read(bytes)
  local status, reason, at = bytes:match("^HTTP/1%.%d (%d+) ?([^\r]*)\r\n()")
  if not status then return { status = 0, reason = "", headers = {}, body = "" } end
  local headers, chunked = {}, false
  while true do
    local name, value, after = bytes:match("^([^:\r]+):[ \t]*([^\r]*)\r\n()", at)
    if not name then break end
    headers[#headers + 1] = { name, value }
    chunked = chunked or name:lower() == "transfer-encoding"
    at = after
  end
  local rest = bytes:sub(at + 2)
  if status:sub(1, 1) == "1" and status ~= "101" then return message.read(rest) end
  return { status = tonumber(status), reason = reason, headers = headers, body = chunked and unchunk(rest) or rest }
end

return message
