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

-- The pair that begins at or after `at`: name and value as they stand, and where to go on; nil: there is none.
-- Plain searches: patterns would be work for each character.
local function pair_at(text, at)
  while at <= #text do
    local stop = text:find("&", at, true) or #text + 1
    if stop > at then
      local equals = text:find("=", at, true)
      if not equals or equals > stop then equals = stop end
      return text:sub(at, equals - 1), text:sub(equals + 1, stop - 1), stop + 1
    end
    at = stop + 1
  end
end

--- Iterates over the parameters in order: name, value, both decoded ("a" alone gives "a", "").
function query.each(text)
  local at = 1
  return function()
    local name, value, after = pair_at(text, at)
    if not name then return nil end
    at = after
    return query.decode(name), query.decode(value)
  end
end

--- The first value of parameter `name`, decoded; nil when absent.
function query.get(text, name)
  local key, value, at = pair_at(text, 1)
  while key do
    if query.decode(key) == name then return query.decode(value) end
    key, value, at = pair_at(text, at)
  end
  return nil
end

--- All values of parameter `name`, decoded, in order; nil when absent.
function query.get_all(text, name)
  local values
  local key, value, at = pair_at(text, 1)
  while key do
    if query.decode(key) == name then
      values = values or {}
      values[#values + 1] = query.decode(value)
    end
    key, value, at = pair_at(text, at)
  end
  return values
end

return query
