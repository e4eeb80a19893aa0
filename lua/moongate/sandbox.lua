--- sandbox: where a policy's files run: with globals of their own, and nothing but what README lists to require.
-- Environments are made when a policy is loaded; a request costs nothing for them.
local base = require "moongate.sandbox.base"
local log = require "moongate.log"
local modules = require "moongate.sandbox.modules"

local sandbox = {}
local methods = {}
local mt = { __index = methods }

local MOST_SOURCE = 1048576 -- bytes; nothing stops the compiler
local environments = setmetatable({}, { __mode = "k" }) -- the globals of all sandboxes
local LOADING = {} -- stands for a module whose file is running

-- ---- code ---------------------------------------------------------------------------------

local function joined(reader)
  local parts = {}
  repeat
    local part = reader()
    parts[#parts + 1] = part
  until part == nil or part == ""
  return table.concat(parts)
end

-- Text alone: bytecode is not checked by anybody, and could reach all memory.  And with a table of globals, or LuaJIT
-- takes those of everybody.
local function loader(globals)
  return function(text, name, _, own)
    if own ~= nil and type(own) ~= "table" then error("load: expected a table of globals, got a " .. type(own), 2) end
    if type(text) == "function" then text = joined(text) end
    if type(text) ~= "string" then error("load: expected text, got a " .. type(text), 2) end
    if #text > MOST_SOURCE then return nil, ("load: more than %d bytes"):format(MOST_SOURCE) end
    return load(text, type(name) == "string" and name or "=(load)", "t", own or globals)
  end
end

local function printer(owner)
  return function(...)
    local parts = {}
    for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
    log.info(table.concat(parts, "\t"), { policy = owner })
  end
end

-- ---- modules ------------------------------------------------------------------------------

local function run_file(self, name)
  local text, chunkname = self.find(name)
  if not text then return nil end
  if not self.sealed then self.files[#self.files + 1] = { name = name, text = text, chunkname = chunkname } end
  local chunk, err = load(text, chunkname, "t", self.globals)
  if not chunk then error(err, 0) end
  self.loaded[name] = LOADING
  local result = chunk(name)
  self.loaded[name] = result == nil and true or result
  return self.loaded[name]
end

local function open(self, name)
  local ours = name:match("^moongate%.(.+)$")
  if ours then return modules.open(ours, self.owner, self.stock) end
  if name:find("^policies%.[%w_.]+$") then return run_file(self, name) end
  return base.library(self.globals, name)
end

--- What the policy gets of require(name).
function methods:require(name)
  if type(name) ~= "string" then error("require: expected a name, got a " .. type(name), 2) end
  local known = self.loaded[name]
  if known == LOADING then error(("loop in require: '%s'"):format(name), 2) end
  if known ~= nil then return known end
  local result = open(self, name)
  if result == nil then
    error(("module '%s' not found: it is none that a policy may require, and no file of this policy%s"):format(name,
      self.sealed and " that was required or named in one when the policy was loaded" or ""), 2)
  end
  self.loaded[name] = result
  return result
end

--- The policy is loaded: from now on its files are those that `find` knows.
function methods:seal(find)
  self.find, self.sealed = find, true
end

--- Makes a function of Lua text in the sandbox's environment, or gives nil and what is wrong.
function methods:load(text, chunkname)
  return self.globals.load(text, chunkname)
end

--- A sandbox for the policy `owner`.
-- @param find function(module) giving the text and the chunk's name of "policies.NAME" or "policies.NAME.helper", or
--   nil where there is none or the policy may not have it
-- @param stock whether it comes with moongate; some modules are for those alone
-- @return { require =, load =, files = array of { name =, text =, chunkname = } that were run }
function sandbox.new(owner, find, stock)
  local globals = base.globals()
  local self = setmetatable({ owner = owner, globals = globals, loaded = {}, files = {}, find = find,
    stock = stock, sealed = false }, mt)
  environments[globals] = true
  globals.load = loader(globals)
  globals.loadstring = globals.load
  globals.print = printer(owner)
  globals.require = function(name) return self:require(name) end
  return self
end

--- Whether a function is a policy's own: then its environment, else nil.
function sandbox.environment_of(fn)
  local env = getfenv(fn)
  return environments[env] and env or nil
end

return sandbox
