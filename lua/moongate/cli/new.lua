--- new: writes the files of a new policy.
local options = require "moongate.cli.options"
local policy = require "moongate.policy"
local scaffold = require "moongate.scaffold"

local new = {}

new.usage = "new policy NAME [DIR]"
new.summary = "write a policy, its spec, an example and its page"

-- Why a policy cannot have this name; nil when it can.
local function name_error(name)
  if not name then return "expected the name of a policy" end
  if not name:find "^[%a_][%w_]*$" then
    return ("%q cannot name a policy; expected letters, digits and '_'"):format(name)
  end
  if name:find "_spec$" then return ("'%s' would be a spec's name"):format(name) end
  if not loadstring(("local %s"):format(name)) then return ("'%s' is a word of Lua"):format(name) end
  for _, stock in ipairs(policy.stock) do
    if name == stock then return ("'%s' is a policy of moongate's own, which this one would hide"):format(name) end
  end
end

local function exists(path)
  local file = io.open(path, "r")
  if file then file:close() end
  return file ~= nil
end

local function write(file)
  local handle, err = io.open(file.path, "w")
  if not handle then return nil, err end
  handle:write(file.text)
  return handle:close()
end

-- What is in the way: one of the files, or the policy's other form, which would be hidden.
local function in_the_way(files, name, folder)
  for _, file in ipairs(files) do
    if exists(file.path) then return file.path end
  end
  local other = ("%s/%s/init.lua"):format(folder, name)
  return exists(other) and other or nil
end

local function write_all(files, folder, streams)
  os.execute(("mkdir -p '%s' 2>/dev/null"):format((folder:gsub("'", "'\\''"))))
  for _, file in ipairs(files) do
    local ok, err = write(file)
    if not ok then
      streams.err(("moongate: cannot write %s\n"):format(err))
      return 1
    end
    streams.out(("wrote %s\n"):format(file.path))
  end
  streams.out(("Try it: moongate test %s\n"):format(files[2].path))
  return 0
end

--- @return 0; 1 when a file is there already, or cannot be written; 2 for bad usage
function new.main(words, streams)
  local values, rest = options.parse(words, {})
  if not values then return streams.refuse(rest, new) end
  if rest[1] ~= "policy" then return streams.refuse("expected 'policy'", new) end
  local name, folder = rest[2], (rest[3] or "."):gsub("(.)/+$", "%1")
  local err = name_error(name) or rest[4] and ("unexpected '%s'"):format(rest[4])
  if err then return streams.refuse(err, new) end
  local files = scaffold.policy(name, folder)
  local there = in_the_way(files, name, folder)
  if there then
    streams.err(("moongate: %s is there already; nothing was written\n"):format(there))
    return 1
  end
  return write_all(files, folder, streams)
end

return new
