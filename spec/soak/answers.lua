--- answers: what the soak's upstreams say; every byte of a body tells the request that it belongs to.
local loop = require "spec.support.loop"
local upstream = require "spec.support.upstream"

local answers = {}

--- The body of `size` bytes that belongs to a request.
function answers.bytes(id, size)
  return (id .. "."):rep(math.ceil(size / (#id + 1))):sub(1, size)
end

-- By the first element of the path; `self.wrong` counts what came other than it was sent.
local says = {}

function says.bytes(_, id, size) return { body = answers.bytes(id, size), headers = { ["X-Said"] = id } } end

function says.echo(request, id)
  return { body = request.body, headers = { ["X-Said"] = id } }
end

function says.chunks(request, id, size)
  local conn = request.stream
  conn:send(("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Said: %s\r\n\r\n"):format(id))
  local left = answers.bytes(id, size)
  while left ~= "" do
    local part = left:sub(1, 7000)
    left = left:sub(#part + 1)
    if not conn:send(("%x\r\n%s\r\n"):format(#part, part)) then return nil end
  end
  return "0\r\nX-Trailer: " .. id .. "\r\n\r\n"
end

function says.wait(request, id, size)
  loop.sleep(0.05)
  return says.bytes(request, id, size)
end

function says.silent(request)
  request.stream:read_all(5)
  return nil
end

function says.cut(request, id, size)
  request.stream:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(size, answers.bytes(id, size / 2)))
  return nil
end

function says.tunnel(request)
  local conn = request.stream
  conn:send "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
  for bytes in function() return conn:read_some(65536, 120) end do
    if not conn:send(bytes) then break end
  end
  return nil
end

local SAYS = { denied = "bytes", limited = "bytes", canary = "bytes", delayed = "bytes", mirrored = "echo",
  reversed = "echo", split = "bytes" }

--- The upstream's function: "/KIND/SIZE" is answered with what belongs to X-Id.
-- @param wrong called with a text when a request is not what was sent
function answers.normal(wrong)
  return function(request)
    local kind, size = request.target:match "^/(%a+)/?(%d*)"
    local id = request.headers["x-id"]
    if not id or not kind then
      wrong("upstream: no request of ours: " .. request.raw)
      return nil
    end
    if kind == "tunnel" then return says.tunnel(request) end
    request:read()
    local body, expected = request.body, answers.bytes(id, #request.body)
    if kind == "reversed" then expected = expected:reverse() end
    if body ~= expected then wrong("upstream: another body than that of " .. id) end
    return says[SAYS[kind] or kind](request, id, tonumber(size) or 0)
  end
end

--- An upstream that speaks no HTTP; but mirrored requests it answers.
function answers.odd(request)
  if request.target:find "^/mirrored" then
    request:read()
    return upstream.format { status = 204 }
  end
  return "220 soak ESMTP\r\n\r\n"
end

return answers
