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

--- Model, errors and warnings of `base` and then `text`; what is wrong with the latter as texts, with its own lines.
function manifest.load_after(base, text)
  local model, errors, warnings = manifest.load(base .. text)
  local before = select(2, base:gsub("\n", ""))
  local function texts(notes)
    local list = {}
    for _, note in ipairs(notes) do
      if note.line > before then list[#list + 1] = ("%d: %s"):format(note.line - before, note.message) end
    end
    return list
  end
  return model, texts(errors), texts(warnings)
end

--- The routes of a listener, in order.
function manifest.routes_at(model, listener)
  local list = {}
  for _, route in ipairs(model.routes) do
    if route.listeners[1] == listener then list[#list + 1] = route end
  end
  return list
end

--- The addresses of a service's endpoints, with blanks between.
function manifest.addresses(service)
  local list = {}
  for i, endpoint in ipairs(service.endpoints) do list[i] = endpoint.address end
  return table.concat(list, " ")
end

return manifest
