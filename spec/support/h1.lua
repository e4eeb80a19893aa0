--- h1: the requests of the HTTP/1.1 corpus as plain bytes.
local cjson = require "cjson"

local h1 = {}

--- Where the corpus is.
h1.folder = os.getenv "MOONGATE_H1" or "../shared/acceptance/h1"

-- One code point is one byte.
local function bytes_of(text)
  return (text:gsub("[\194\195][\128-\191]", function(pair)
    return string.char((pair:byte() - 0xC0) * 64 + pair:byte(2) - 0x80)
  end))
end

-- Pauses are left out.
local function text_of(send)
  if type(send) == "string" then return bytes_of(send) end
  local parts = {}
  for _, piece in ipairs(send) do
    parts[#parts + 1] = type(piece) == "string" and bytes_of(piece)
      or piece["repeat"] and bytes_of(piece["repeat"]):rep(piece.n) or bytes_of(piece.drip or "")
  end
  return table.concat(parts)
end

--- What clients send: an array of { id =, text = } of at most `most` bytes; empty where there is no corpus.
function h1.requests(most)
  local list = {}
  for name in io.popen("ls '" .. h1.folder .. "'/req-*.json 2>/dev/null"):lines() do
    local file = assert(io.open(name, "rb"))
    for _, case in ipairs(cjson.decode(file:read "*a").cases) do
      local text = text_of(case.send)
      if #text <= most then list[#list + 1] = { id = case.id, text = text } end
    end
    file:close()
  end
  return list
end

return h1
