--- cookie: one cookie out of a Cookie header (RFC 6265, section 4.2.1).
local cookie = {}

--- The value of the first cookie `name` in `line` ("a=1; b=2"), quotes taken off; nil when absent.
-- Names are compared as they are: cookie names have case.
function cookie.get(line, name)
  local at = 1
  while at <= #line do
    local stop = line:find(";", at, true) or #line + 1
    local key, value = line:sub(at, stop - 1):match("^%s*([^=]-)%s*=%s*(.-)%s*$")
    if key == name then return value:match('^"(.*)"$') or value end
    at = stop + 1
  end
  return nil
end

return cookie
