--- address: reads "host:port", IP addresses and the patterns of host names.
local address = {}

local function is_ipv4(text)
  local parts = { text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$") }
  if #parts ~= 4 then return false end
  for _, part in ipairs(parts) do
    if #part > 3 or tonumber(part) > 255 then return false end
  end
  return true
end

-- RFC 4291 section 2.2: up to eight groups, one "::", the last two groups perhaps as IPv4.
local function is_ipv6(text)
  local head, tail = text:match("^(.*):([%d.]+)$")
  if head and tail:find(".", 1, true) then
    if not is_ipv4(tail) then return false end
    text = head .. ":0:0"
  end
  if text:find("[^%x:]") or text:find(":::", 1, true) then return false end
  local short, count = text:find("::", 1, true), 0
  if short and text:find("::", short + 1, true) then return false end
  if text:find("^:[^:]") or text:find("[^:]:$") then return false end
  for group in text:gmatch("[^:]+") do
    if #group > 4 then return false end
    count = count + 1
  end
  return short and count < 8 or not short and count == 8
end

--- Whether a text is an IPv4 or IPv6 address (no brackets).
function address.is_ip(text)
  return is_ipv4(text) or is_ipv6(text)
end

local function is_label(label)
  return #label <= 63 and label:find("^[%w_]") and label:find("[%w_]$") and not label:find("[^%w_-]")
end

--- Whether a text can be a DNS name (RFC 1123 section 2.1, and '_', which service names use).
function address.is_name(text)
  if text == "" or #text > 253 or text:find("^%.") or text:find("%.%.") then return false end
  for label in text:gmatch("[^.]+") do
    if not is_label(label) then return false end
  end
  return not text:find("^[%d.]+$")
end

--- Splits "host:port" or "[v6]:port".
-- @return host without brackets, port; or nil and what was expected
function address.parse(text)
  local expected = 'expected "host:port" such as "127.0.0.1:8080" or "[::1]:8080"'
  local host, port = text:match("^%[([^%]]*)%]:(%d+)$")
  if host then
    if not is_ipv6(host) then return nil, expected end
  else
    host, port = text:match("^([^:]+):(%d+)$")
    if not host or not (is_ipv4(host) or address.is_name(host)) then return nil, expected end
  end
  port = #port <= 5 and tonumber(port)
  if not port or port < 1 or port > 65535 then return nil, "expected a port between 1 and 65535" end
  return host, port
end

--- As parse(), for an address to bind: the host must be an IP address.
function address.parse_ip(text)
  local host, port = address.parse(text)
  if not host then return nil, port end
  if not address.is_ip(host) then
    return nil, 'expected an IP address and a port, such as "0.0.0.0:8080"'
  end
  return host, port
end

local LONGEST_PATH = 107 -- bytes that fit into struct sockaddr_un (unix(7)), its NUL apart

--- Whether a text means a Unix socket.
function address.is_unix(text)
  return text:find("^unix:") ~= nil
end

--- The path of "unix:/path"; or nil and what was expected.
function address.parse_unix(text)
  local path = text:match("^unix:(/.*)$")
  if not path or path:find("%c") then return nil, 'expected a whole path, such as "unix:/run/moongate.sock"' end
  if #path > LONGEST_PATH then return nil, ("expected at most %d bytes, got %d"):format(LONGEST_PATH, #path) end
  return path
end

--- As parse(), or the path of a Unix socket and nothing.
function address.parse_any(text)
  return (address.is_unix(text) and address.parse_unix or address.parse)(text)
end

--- A host pattern in lower case: "shop.example", "*.example" or "*".
-- @return pattern, or nil and what was expected
function address.host_pattern(text)
  local pattern = text:lower()
  if pattern == "*" then return pattern end
  local name = pattern:match("^%*%.(.+)$") or pattern
  if address.is_name(name) or name == pattern and is_ipv4(name) then return pattern end
  local v6 = pattern:match("^%[(.*)%]$")
  if v6 and is_ipv6(v6) then return pattern end
  if address.parse(text) then return nil, "expected a host without a port" end
  return nil, 'expected a host such as "shop.example", "*.example" or "*"'
end

--- Makes a list of host patterns, in place, what host_pattern() gives of them.
-- @param report function(index, message), called for each that is none
function address.check_patterns(list, report)
  for i, host in ipairs(list) do
    local pattern, err = address.host_pattern(host)
    if pattern then
      list[i] = pattern
    else
      report(i, ("bad host %q; %s"):format(host, err))
    end
  end
end

return address
