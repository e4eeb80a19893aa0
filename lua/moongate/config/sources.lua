--- sources: what a load has read, so that the master knows what to look at: all of it with --watch, else what others
-- than who writes the config renew: certificates, keys and authorities.
local sources = {}

local paths, seen = {}, {}
local keys = {} -- those of `paths` that are PEM files
local watches_all = false

--- Forgets all; a load begins.
function sources.begin()
  paths, seen, keys = {}, {}, {}
end

--- Whether list() is to have all, or PEM files alone.
function sources.watch_all(all)
  watches_all = all or false
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

--- As read(), for a file that is to hold certificates or keys.
function sources.read_pem(path)
  if not seen[path] then keys[#keys + 1] = path end
  return sources.read(path)
end

--- Every path noted since begin() that is to be watched, each once, each ended by a zero byte; the core asks for them.
function sources.list()
  local list = watches_all and paths or keys
  return #list > 0 and table.concat(list, "\0") .. "\0" or ""
end

return sources
