--- config: loads the files that a user names and makes one model of them.
local folder = require "moongate.config.folder"
local policy = require "moongate.policy"
local sources = require "moongate.config.sources"

local config = {}

local function mistake(file, message)
  return { { file = file, line = 1, message = message } }
end

-- JSON is YAML too.
local function is_yaml(name)
  return name:find("%.ya?ml$") ~= nil or name:find("%.json$") ~= nil
end

-- The files that paths stand for, in order: a folder means the YAML and JSON files in it.
local function expand(paths)
  local files = {}
  for _, path in ipairs(paths) do
    local names = folder.list(path)
    if names then
      sources.note(path)
      local before = #files
      for _, name in ipairs(names) do
        if is_yaml(name) then files[#files + 1] = path:gsub("/+$", "") .. "/" .. name end
      end
      if #files == before then return nil, mistake(path, "the folder has no *.yaml, *.yml or *.json file") end
    else
      files[#files + 1] = path
    end
  end
  return files
end

--- Loads the config at `paths`: one Lua file, or YAML files and folders of them.
-- Policies are read anew from their files.
-- @param options passed on to the front ends
-- @return the model and an array of warnings; or nil, an array of mistakes, each { file =, line =, message = }, and
-- what there is of a model all the same (nil: nothing)
function config.load(paths, options)
  policy.forget()
  sources.begin()
  local files, err = expand(paths)
  if not files then return nil, err end
  for _, file in ipairs(files) do
    if file:find("%.lua$") then
      if #files > 1 then return nil, mistake(file, "expected a config in Lua to stand alone") end
      local model, errors, part = require("moongate.config.lua").load(file, options)
      if not model then return nil, errors, part end
      return model, {}
    elseif not is_yaml(file) then
      return nil, mistake(file, "expected a file that ends in .lua, .yaml, .yml or .json, or a folder of the latter")
    end
  end
  local model, errors, warnings = require("moongate.config.manifests").load(files, options or {})
  if not model then return nil, errors end
  return model, warnings or {}
end

--- The conditions of the Gateway API's objects in the YAML files at `paths` (see manifests/gateway_api/status.lua), and
-- an array of mistakes; nil and mistakes when there is nothing to read.
function config.status(paths, options)
  local files, err = expand(paths)
  if not files then return nil, err end
  for _, file in ipairs(files) do
    if not is_yaml(file) then return nil, mistake(file, "expected YAML: a config in Lua has no conditions") end
  end
  return require("moongate.config.manifests").status(files, options)
end

--- A mistake or warning as people read it: "file:line: what".
function config.message(entry)
  return ("%s:%d: %s"):format(entry.file, entry.line or 1, entry.message)
end

return config
