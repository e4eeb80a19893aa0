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

-- What gives the text and the chunk's name of one of these files.
local function finder(list)
  local by_name = {}
  for _, file in ipairs(list) do by_name[file.name] = file end
  return function(module)
    local file = by_name[module]
    if file then return file.text, file.chunkname end
  end
end

local START = "policies."
local BEFORE, LONGEST = 24, 256 -- bytes that are looked at before a name's start, and of a name

-- The modules in calls of require() with a text.  It goes by the plain text that all have in common: files are long,
-- and a pattern that looks everywhere in one takes milliseconds, in each worker.
local function names_in(text)
  local names, at = {}, text:find(START, 1, true)
  while at do
    local quote = text:sub(math.max(1, at - BEFORE), at - 1):match "require%s*%(?%s*([\"'])$"
    local name, after = text:sub(at, at + LONGEST):match "^(policies%.[%w_.]+)(.)"
    if quote and after == quote then names[#names + 1] = name end
    at = text:find(START, at + 1, true)
  end
  return names
end

-- A file that names another may require it later: it is known from now on, so that no request waits for the disk, nor
-- finds another text than was checked.
local function add_named(list, text, find, known)
  for _, name in ipairs(names_in(text)) do
    local other, chunkname
    if not known[name] then other, chunkname = find(name) end
    if other then
      known[name] = true
      local ok, err = load(other, chunkname, "t")
      if not ok then error(err, 0) end
      list[#list + 1] = { name = name, text = other, chunkname = chunkname }
    end
  end
end

--- The policy's files have been run: adds those to the list that they may require later, and gives what finds them all
-- from now on.  Raises "file:line: ..." where one of them is no Lua.
-- @param list of the files that have been run; @param find where they came from
function files.seal(list, find)
  local known = {}
  for _, file in ipairs(list) do known[file.name] = true end
  local i = 1
  while list[i] do
    add_named(list, list[i].text, find, known)
    i = i + 1
  end
  return finder(list)
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

--- Where a policy is: { find = function(module) for moongate.sandbox, stock = whether it comes with moongate, files =
-- how many it has, if that is known }, or nil.
-- A user's policy finds its own files alone, those that come with moongate also one another's.
function files.place(name)
  local known = given[name]
  return known and { stock = known.stock, find = finder(known.files), files = #known.files } or look(name)
end

--- Whether files that a sandbox has run are still the same at a place, and all that are there.
function files.are_same(run, place)
  if place.files and place.files ~= #run then return false end
  for _, file in ipairs(run) do
    local text, chunkname = place.find(file.name)
    if text ~= file.text or chunkname ~= file.chunkname then return false end
  end
  return true
end

return files
