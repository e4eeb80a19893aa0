--- sources: what a load has read, so that `run --watch` knows what to look at.
local sources = {}

local paths, seen = {}, {}

--- Forgets all; a load begins.
function sources.begin()
  paths, seen = {}, {}
end

--- Notes a file, one that was looked for and is not there, or a folder whose list of files counts.
function sources.note(path)
  if not seen[path] then paths[#paths + 1] = path end
  seen[path] = true
end

--- Reads a file whole, and notes it.
-- @return its text, or nil and why
function sources.read(path)
  sources.note(path)
  local file, err = io.open(path, "rb")
  if not file then return nil, (err:gsub("^.-: ", "")) end
  local text
  text, err = file:read("*a")
  file:close()
  return text, err
end

--- Every path noted since begin(), each once, each ended by a zero byte; the core asks for them.
function sources.list()
  return #paths > 0 and table.concat(paths, "\0") .. "\0" or ""
end

return sources
