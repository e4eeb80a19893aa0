--- origins: which origins a list such as "https://*.shop.example" allows.
local origins = {}

local USUAL = { http = "80", https = "443" }

-- An origin with its port, in lower case: "https://shop.example:443"; others ("null") as they are.
local function full(origin)
  origin = origin:lower()
  local scheme, host, port = origin:match("^(https?)://([^/%[%]:]+):?(%d*)$")
  if not scheme then return origin end
  return ("%s://%s:%s"):format(scheme, host, port ~= "" and port or USUAL[scheme])
end

--- Origins of a config, as allow() wants them.  exact: whole origins; patterns: what stands before "*" and after it.
function origins.new(list)
  local set = { any = false, exact = {}, patterns = {} }
  for _, origin in ipairs(list) do
    local head, tail = full(origin):match("^(.*)%*(.*)$")
    if origin == "*" then
      set.any = true
    elseif head then
      table.insert(set.patterns, { head, tail })
    else
      set.exact[full(origin)] = true
    end
  end
  return set
end

--- Whether an Origin header names one of them.
function origins.allow(set, origin)
  if set.any then return true end
  origin = full(origin)
  if set.exact[origin] then return true end
  for _, pattern in ipairs(set.patterns) do
    local head, tail = pattern[1], pattern[2]
    if #origin > #head + #tail and origin:sub(1, #head) == head and (tail == "" or origin:sub(-#tail) == tail) then
      return true
    end
  end
  return false
end

return origins
