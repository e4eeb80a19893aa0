--- Regular expressions in manifests: those of RE2, as in Envoy, and always of the whole value.
local regex = require "moongate.regex"

local pattern = {}

--- The pattern itself where it is one, else nil; what is none is refused at `path`.
function pattern.check(object, path, text)
  local compiled, why = regex.compile(text)
  if compiled then return text end
  object:refuse(path, ("bad regular expression %q; %s"):format(text, why))
end

return pattern
