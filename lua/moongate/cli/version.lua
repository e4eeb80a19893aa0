--- version: prints the versions of moongate and of what it is built on.
local suggest = require "moongate.suggest"

local version = {}

version.usage = "version"
version.summary = "print the versions of moongate and its libraries"

--- `streams.versions` maps names to texts such as "libuv 1.44.2", and "moongate" to its own version.
function version.main(words, streams)
  if #words > 0 then return streams.refuse(("unexpected '%s'"):format(words[1]), version) end
  streams.out(("moongate %s\n"):format(streams.versions.moongate))
  for _, name in ipairs(suggest.keys(streams.versions)) do
    if name ~= "moongate" then streams.out(("  %s\n"):format(streams.versions[name])) end
  end
  return 0
end

return version
