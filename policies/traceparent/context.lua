--- context: the two fields of W3C Trace Context (Level 2), read as strictly as they are defined.
local context = {}

local HEX = "[0-9a-f]"
local PARENT = ("^(%s)%%-(%s)%%-(%s)%%-(%s)"):format(HEX:rep(2), HEX:rep(32), HEX:rep(16), HEX:rep(2))
local LENGTH = 55 -- of version 00
local MOST_MEMBERS = 32

--- What traceparent says: trace id, the caller's span id, whether that is sampled, whether the trace id is known to be
-- random; nil: it is not valid.  A version that is not known yet is read as far as 00 goes (section "Versioning of
-- traceparent").
function context.parse(text)
  local version, trace, parent, flags = text:match(PARENT)
  if not version or version == "ff" or trace:find "^0+$" or parent:find "^0+$" then return nil end
  if #text > LENGTH and (version == "00" or text:sub(LENGTH + 1, LENGTH + 1) ~= "-") then return nil end
  flags = tonumber(flags, 16)
  return trace, parent, flags % 2 == 1, flags % 4 > 1
end

--- traceparent for whom we call; flags that have no meaning yet are none.
function context.format(trace, span, sampled, random)
  return ("00-%s-%s-0%d"):format(trace, span, (sampled and 1 or 0) + (random and 2 or 0))
end

local function is_key(key) return #key <= 256 and key:find "^[%l%d][%l%d_*/@-]*$" ~= nil end

local function is_value(value)
  return #value <= 256 and value ~= "" and not value:find "[^ -~]" and not value:find "[,=]"
end

--- The fields of tracestate (a list, in order) as one, without empty members.  A key that stands twice is left to those
-- who know it.
-- @return nil when there is nothing in them, or anything is wrong: then none of it is passed on
function context.state(fields)
  local members = {}
  for member in (table.concat(fields, ",") .. ","):gmatch "([^,]*)," do
    member = member:match "^[ \t]*(.-)[ \t]*$"
    if member ~= "" then
      local key, value = member:match "^([^=]*)=(.*)$"
      if #members == MOST_MEMBERS or not key or not is_key(key) or not is_value(value) then return nil end
      members[#members + 1] = member
    end
  end
  return members[1] and table.concat(members, ",")
end

return context
