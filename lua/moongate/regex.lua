--- regex: regular expressions with the syntax and the meaning of RE2 (github.com/google/re2/wiki/Syntax).
-- Time is linear in the text whatever the pattern is; so there is neither look-around nor a back reference, and a
-- pattern whose program grows too large is refused.  Texts are UTF-8.  Compile when settings are prepared, not in a
-- request.
local abi = require "moongate.abi"
local closed = require "moongate.closed"

local C, span, text = abi.C, abi.span, abi.text

local regex = {}
local methods = {}
local make, handles = closed.class(methods)

-- The same pattern is compiled once for all who hold it.
local compiled = setmetatable({}, { __mode = "v" })

--- @return an object, or nil and what is wrong with the pattern
function regex.compile(pattern)
  local self = compiled[pattern]
  if self then return self end
  local handle = C.mg_regex_get(abi.str(pattern), span)
  if handle == nil then return nil, text(span[0]) end
  self = make(abi.gc(handle, C.mg_regex_put))
  compiled[pattern] = self
  return self
end

--- Whether the whole of `subject` matches.
function methods:match(subject)
  return C.mg_regex_match(handles[self], subject, #subject)
end

--- Whether some part of `subject` matches.
function methods:find(subject)
  return C.mg_regex_find(handles[self], subject, #subject)
end

--- Why replace() cannot take this rewrite (it names a group that the pattern has not, say), or nil.
function methods:rewrite_error(rewrite)
  if not C.mg_regex_check(handles[self], abi.str(rewrite), span) then return text(span[0]) end
end

--- `subject` with every match replaced; in `rewrite` \0 is the match, \1 to \9 are its groups, \\ is a backslash.
-- @param rewrite one without a rewrite_error()
-- @return the new text, the number of matches
function methods:replace(subject, rewrite)
  local count = C.mg_regex_replace(handles[self], abi.str(subject), abi.str(rewrite), span)
  if count < 0 then error(("regex.replace: bad rewrite %q"):format(rewrite), 2) end
  return text(span[0]), count
end

return regex
