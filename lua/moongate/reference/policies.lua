--- policies: what a policy does and its settings, from its own comment and schema.
local files = require "moongate.reference.files"
local policy = require "moongate.policy"
local schema = require "moongate.schema"

local policies = {}

-- Where one of the policy's own functions was read from; others may come from its helper modules.
local function file_of(name, module)
  for _, value in pairs(module) do
    local source = type(value) == "function" and debug.getinfo(value, "S").source or ""
    local path = source:match("^@(.*/" .. name .. "%.lua)$") or source:match("^@(.*/" .. name .. "/init%.lua)$")
    if path then return path end
  end
end

local function read(path)
  local file = io.open(path, "r")
  if not file then return files.read(path) end
  local text = file:read("*a")
  file:close()
  return text
end

--- The lines about one policy; or nil and what is wrong with it.
function policies.lines(name)
  local module, err = policy.load(name)
  if not module then return nil, err end
  local path = file_of(name, module)
  local lines = files.comment(path and read(path) or "")
  if #lines == 0 then lines[1] = name end
  lines[#lines + 1] = ""
  lines[#lines + 1] = #module.schema > 0 and "Settings:" or "It has no settings."
  for _, line in ipairs(schema.describe(module.schema)) do lines[#lines + 1] = "  " .. line end
  return lines
end

return policies
