--- manifest: what the front end makes of YAML in a spec.
require "spec.support.native"
require "spec.support.fake_abi"
local manifests = require "moongate.config.manifests"

local manifest = {}

--- Calls read(path) for a file of the text, which is gone afterwards, and gives what it gives; errors pass.
function manifest.in_file(text, read)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local results = { pcall(read, path) }
  os.remove(path)
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2, 4)
end

--- Model (nil when there are errors), errors and warnings of a text.
function manifest.load(text)
  return manifest.in_file(text, function(path) return manifests.load { path } end)
end

--- The messages of errors or warnings, a line each.
function manifest.messages(notes)
  local list = {}
  for i, note in ipairs(notes) do list[i] = note.message end
  return table.concat(list, "\n")
end

return manifest
