--- resp: what Redis speaks (RESP2), written and read.
local resp = {}

local LONGEST, WIDEST, DEEPEST = 1048576, 65536, 8 -- bytes of a text, items of a list, lists in lists

--- What stands for "there is none" in a reply.
resp.null = newproxy(true) -- no table: all policies share it
local null = getmetatable(resp.null)
null.__tostring, null.__metatable = function() return "redis.null" end, false

--- The bytes of a command, a list of texts and numbers.
function resp.encode(command)
  local parts = { ("*%d\r\n"):format(#command) }
  for i, word in ipairs(command) do
    word = tostring(word)
    parts[i + 1] = ("$%d\r\n%s\r\n"):format(#word, word)
  end
  return table.concat(parts)
end

local read

local function number_of(text, most)
  local number = text:find "^%-?%d+$" and tonumber(text)
  return number and number >= -1 and number <= most and number or nil
end

local readers = {
  ["+"] = function(_, text) return text end,
  ["-"] = function(_, text) return { error = text } end,
}

readers[":"] = function(_, text)
  local number = text:find "^%-?%d+$" and tonumber(text)
  if number then return number end
  return nil, "no number: " .. text
end

readers["$"] = function(socket, text, timeout)
  local length = number_of(text, LONGEST)
  if not length then return nil, "no length, or too long a text: " .. text end
  if length == -1 then return resp.null end
  local bytes, why = socket:read(length + 2, timeout)
  if not bytes then return nil, why end
  if bytes:sub(-2) ~= "\r\n" then return nil, "a text that does not end" end
  return bytes:sub(1, -3)
end

readers["*"] = function(socket, text, timeout, depth)
  local count = number_of(text, WIDEST)
  if not count or depth == DEEPEST then return nil, "no count, or too long or deep a list: " .. text end
  if count == -1 then return resp.null end
  local list = {}
  for i = 1, count do
    local item, why = read(socket, timeout, depth + 1)
    if item == nil then return nil, why end
    list[i] = item
  end
  return list
end

function read(socket, timeout, depth)
  local line, why, late = socket:read_until("\r\n", timeout)
  if not line then return nil, why, late and depth == 0 end
  local reader = readers[line:sub(1, 1)]
  if not reader then return nil, ("no reply: %q"):format(line:sub(1, 40)) end
  return reader(socket, line:sub(2, -3), timeout, depth)
end

--- Reads one reply from a socket (moongate.socket): a text, a number, a list of them, resp.null, or { error = text }.
-- @return the reply; or nil, why, and true where the time was over: else the socket is of no more use
function resp.read(socket, timeout)
  return read(socket, timeout, 0)
end

return resp
