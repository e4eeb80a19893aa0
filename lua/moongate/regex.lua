--- regex: regular expressions with the syntax and the meaning of RE2 (github.com/google/re2/wiki/Syntax).
-- Time is linear in the text whatever the pattern is; so there is neither look-around nor a back reference, and a
-- pattern whose program grows too large is refused.  Texts are UTF-8.  Compile when settings are prepared, not in a
-- request.
local abi = require "moongate.abi"

local C, span, text = abi.C, abi.span, abi.text

local regex = {}
regex.__index = regex

-- The same pattern is compiled once for all who hold it.
local compiled = setmetatable({}, { __mode = "v" })

--- @return an object, or nil and what is wrong with the pattern
function regex.compile(pattern)
  local self = compiled[pattern]
  if self then return self end
  local handle = C.mg_regex_get(abi.str(pattern), span)
  if handle == nil then return nil, text(span[0]) end
  self = setmetatable({ handle = abi.gc(handle, C.mg_regex_put), pattern = pattern }, regex)
  compiled[pattern] = self
  return self
end

--- Whether the whole of `subject` matches.
function regex:match(subject)
  return C.mg_regex_match(self.handle, subject, #subject)
end

--- Whether some part of `subject` matches.
function regex:find(subject)
  return C.mg_regex_find(self.handle, subject, #subject)
end

--- Why replace() cannot take this rewrite (it names a group that the pattern has not, say), or nil.
function regex:rewrite_error(rewrite)
  if not C.mg_regex_check(self.handle, abi.str(rewrite), span) then return text(span[0]) end
end

--- `subject` with every match replaced; in `rewrite` \0 is the match, \1 to \9 are its groups, \\ is a backslash.
-- @param rewrite one without a rewrite_error()
-- @return the new text, the number of matches
function regex:replace(subject, rewrite)
  local count = C.mg_regex_replace(self.handle, abi.str(subject), abi.str(rewrite), span)
  if count < 0 then error(("regex.replace: bad rewrite %q"):format(rewrite), 2) end
  return text(span[0]), count
end

return regex
