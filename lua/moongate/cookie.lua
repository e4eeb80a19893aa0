--- cookie: one cookie out of a Cookie header (RFC 6265, section 4.2.1).
local cookie = {}

local BLANK = {}
for byte in ("\t\n\v\f\r "):gmatch "." do BLANK[byte:byte()] = true end

local function trimmed(text, first, last)
  while first <= last and BLANK[text:byte(first)] do first = first + 1 end
  while first <= last and BLANK[text:byte(last)] do last = last - 1 end
  return text:sub(first, last)
end

--- The value of the first cookie `name` in `line` ("a=1; b=2"), quotes taken off; nil when absent.
-- Names are compared as they are: cookie names have case.  The time is linear in the line, which anybody may send.
function cookie.get(line, name)
  local at, equals = 1, 0
  while true do
    if equals < at then equals = line:find("=", at, true) end
    if not equals then return nil end
    local stop = line:find(";", at, true) or #line + 1
    if equals < stop and trimmed(line, at, equals - 1) == name then
      local value = trimmed(line, equals + 1, stop - 1)
      return value:match('^"(.*)"$') or value
    end
    at = stop + 1
  end
end

return cookie
