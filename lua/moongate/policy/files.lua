--- files: where the files of policies are: in folders of the user's, and inside the binary.
local sources = require "moongate.config.sources"

local files = {}

local folders = {} -- array of the user's own folders, the first added is searched first
local given = {} -- by policy: { stock =, files = array of { name =, text =, chunkname = } } of who read the config

--- Adds a folder of policies, behind those added before.
function files.add_path(folder)
  for _, known in ipairs(folders) do
    if known == folder then return end
  end
  folders[#folders + 1] = folder
end

-- The text and chunk name of a module in a folder: policies.a.b is a/b.lua or a/b/init.lua.
local function in_folder(folder, module)
  local stem = folder .. "/" .. module:match("^policies%.(.*)$"):gsub("%.", "/")
  for _, path in ipairs { stem .. ".lua", stem .. "/init.lua" } do
    local text = sources.read(path)
    if text then return text, "@" .. path end
  end
end

-- The same of what comes with moongate; specs, which run without the core, find it in the tree.
local function in_stock(module)
  if not package.preload["moongate.source"] then return in_folder("policies", module) end
  return require("moongate.source").module(module)
end

local function is_own(name, module)
  return module == "policies." .. name or module:sub(1, #name + 10) == "policies." .. name .. "."
end

--- Policies that another process has read: their files are as they were then, whatever stands in the folders now.
-- @param list by the policy's name, as policy.sources() has it
function files.give(list) given = list end

-- A file that was not run then, since it is required later, is read when it is.
local function as_given(known, place)
  local by_name = {}
  for _, file in ipairs(known.files) do by_name[file.name] = file end
  return { stock = known.stock, find = function(module)
    local file = by_name[module]
    if file then return file.text, file.chunkname end
    return place and place.find(module)
  end }
end

local function look(name)
  for _, folder in ipairs(folders) do
    if in_folder(folder, "policies." .. name) then
      return { stock = false, find = function(module)
        if is_own(name, module) then return in_folder(folder, module) end
      end }
    end
  end
  return in_stock("policies." .. name) and { stock = true, find = in_stock } or nil
end

--- Where a policy is: { find = function(module) for moongate.sandbox, stock = whether it comes with moongate }, or nil.
-- A user's policy finds its own files alone, those that come with moongate also one another's.
function files.place(name)
  local place = look(name)
  return given[name] and as_given(given[name], place) or place
end

--- Whether files that a sandbox has run are still the same at a place.
function files.are_same(run, place)
  for _, file in ipairs(run) do
    local text, chunkname = place.find(file.name)
    if text ~= file.text or chunkname ~= file.chunkname then return false end
  end
  return true
end

return files
