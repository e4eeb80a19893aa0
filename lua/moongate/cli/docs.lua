--- docs: the reference of policies and of what they may use, for people, editors and language servers.
local options = require "moongate.cli.options"
local policy = require "moongate.policy"

local docs = {}

docs.usage = "docs [NAME]"
docs.summary = "print the reference of policies and of their API"

local KNOWN = {
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
  ["json-schema"] = { key = "json_schema", type = "flag" },
  ["types"] = { key = "types", type = "text" },
}

-- A module is looked for as moongate/NAME.lua.
local function write_types(folder, streams)
  local reference = require "moongate.reference"
  for _, name in ipairs(reference.NAMES) do
    local path = ("%s/moongate/%s.lua"):format(folder, name)
    local file, err = io.open(path, "w")
    if not file then
      streams.err(("moongate: cannot write %s\n"):format(err))
      return 1
    end
    file:write(reference.source(name))
    file:close()
  end
  streams.out(("wrote %d files to %s/moongate\n"):format(#reference.NAMES, folder))
  return 0
end

local function make_folder(path)
  return os.execute(("mkdir -p '%s/moongate'"):format((path:gsub("'", "'\\''"))))
end

local function about(name, streams)
  local text = require "moongate.reference.text"
  if not name then
    streams.out(text.all())
    return 0
  end
  local said, err = text.of(name)
  if not said then return streams.refuse(err, docs) end
  streams.out(said)
  return 0
end

--- @return 0; 1 when a file cannot be written; 2 for bad usage or a name that is not known
function docs.main(words, streams)
  local values, rest = options.parse(words, KNOWN)
  if not values then return streams.refuse(rest, docs) end
  if #rest > 1 then return streams.refuse(("unexpected '%s'"):format(rest[2]), docs) end
  for _, folder in ipairs(values.policy_path or {}) do policy.add_path(folder) end
  if rest[1] and (values.json_schema or values.types) then
    return streams.refuse(("unexpected '%s'"):format(rest[1]), docs)
  end
  if values.json_schema then
    streams.out(require("moongate.reference.json_schema").text())
    return 0
  end
  if values.types then
    make_folder(values.types)
    return write_types(values.types, streams)
  end
  return about(rest[1], streams)
end

return docs
