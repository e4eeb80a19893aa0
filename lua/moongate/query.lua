--- query: parameters of a query string, and percent coding (RFC 3986, section 2.1; "+" as in HTML forms).
local query = {}

local function byte_of(hex) return string.char(tonumber(hex, 16)) end
local function hex_of(char) return ("%%%02X"):format(char:byte()) end

--- Decodes %XX and "+"; what is no valid %XX stays as it is.
function query.decode(text)
  if not text:find("[%%+]") then return text end
  return (text:gsub("+", " "):gsub("%%(%x%x)", byte_of))
end

--- Encodes everything but RFC 3986's unreserved characters.
function query.encode(text)
  return (text:gsub("[^%w%-._~]", hex_of))
end

--- Iterates over the parameters in order: name, value, both decoded ("a" alone gives "a", "").
function query.each(text)
  local next_pair = text:gmatch("[^&]+")
  return function()
    local pair = next_pair()
    if not pair then return nil end
    local name, value = pair:match("^([^=]*)=(.*)$")
    return query.decode(name or pair), query.decode(value or "")
  end
end

--- The first value of parameter `name`, decoded; nil when absent.
function query.get(text, name)
  for key, value in query.each(text) do
    if key == name then return value end
  end
  return nil
end

return query
