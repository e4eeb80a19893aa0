--- context: the two fields of W3C Trace Context (Level 1), read as strictly as they are defined.
local context = {}

local HEX = "[0-9a-f]"
local PARENT = ("^(%s)%%-(%s)%%-(%s)%%-(%s)"):format(HEX:rep(2), HEX:rep(32), HEX:rep(16), HEX:rep(2))
local LENGTH = 55 -- of version 00
local MOST_MEMBERS = 32

--- What traceparent says: trace id, the caller's span id, whether that is sampled; nil: it is not valid.
-- A version that is not known yet is read as far as 00 goes (section 3.2.4).
function context.parse(text)
  local version, trace, parent, flags = text:match(PARENT)
  if not version or version == "ff" or trace:find "^0+$" or parent:find "^0+$" then return nil end
  if #text > LENGTH and (version == "00" or text:sub(LENGTH + 1, LENGTH + 1) ~= "-") then return nil end
  return trace, parent, tonumber(flags, 16) % 2 == 1
end

--- traceparent for whom we call.
function context.format(trace, span, sampled)
  return ("00-%s-%s-%s"):format(trace, span, sampled and "01" or "00")
end

-- Section 3.3.1.3.1: a simple key, or tenant@system.
local function is_key(key)
  local tenant, system = key:match "^([^@]*)@(.*)$"
  if not tenant then return #key <= 256 and key:find "^%l[%l%d_*/-]*$" ~= nil end
  return #tenant <= 241 and #system <= 14 and tenant:find "^[%l%d][%l%d_*/-]*$" ~= nil
    and system:find "^%l[%l%d_*/-]*$" ~= nil
end

local function is_value(value)
  return #value <= 256 and value ~= "" and not value:find "[^ -~]" and not value:find "[,=]"
end

--- Whether the fields of tracestate (a list, in order) are valid together; those that are not are not passed on.
function context.is_state(fields)
  local seen, count = {}, 0
  for member in (table.concat(fields, ",") .. ","):gmatch "([^,]*)," do
    member = member:match "^[ \t]*(.-)[ \t]*$"
    if member ~= "" then
      local key, value = member:match "^([^=]*)=(.*)$"
      if not key or not is_key(key) or not is_value(value) or seen[key] then return false end
      seen[key], count = true, count + 1
    end
  end
  return count <= MOST_MEMBERS
end

return context
