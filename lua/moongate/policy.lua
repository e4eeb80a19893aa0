--- policy: finds a policy module, loads it, and checks its form.
local schema = require "moongate.schema"
local sources = require "moongate.config.sources"
local suggest = require "moongate.suggest"

local policy = {}

--- The policies that moongate brings, for suggestions.
policy.stock = {
  "access_log", "api_key", "canary", "cors", "ext_authz", "fault", "headers", "jwt", "metrics", "mirror", "misdirected",
  "normalize", "rate_limit", "rbac", "redirect", "request_id", "respond", "rewrite", "traceparent",
}

local FIELDS = {
  schema = "table", prepare = "function", check = "function", body = "table", request = "function",
  request_body = "function", response = "function", response_body = "function", log = "function",
  explain = "function", try = "function", tried = "function",
}
local PHASES = { "request", "request_body", "try", "tried", "response", "response_body", "log" }

local BODY = {
  { "request", type = "string", one_of = { "none", "chunks", "whole" }, default = "none" },
  { "response", type = "string", one_of = { "none", "chunks", "whole" }, default = "none" },
  { "limit", type = "size", min = 1, default = "1MiB" },
}

local PREFIX = "policies."
local sound = setmetatable({}, { __mode = "k" }) -- modules whose form was checked
local folders = {} -- array of the user's own folders, the first added is searched first

local function file_of(folder, name)
  local stem = folder .. "/" .. name:gsub("%.", "/")
  for _, path in ipairs { stem .. ".lua", stem .. "/init.lua" } do
    sources.note(path)
    local file = io.open(path, "r")
    if file then
      file:close()
      return path
    end
  end
end

local function search(module)
  if module:sub(1, #PREFIX) ~= PREFIX then return nil end
  for _, folder in ipairs(folders) do
    local path = file_of(folder, module:sub(#PREFIX + 1))
    if path then
      local chunk, err = loadfile(path, "t")
      return chunk or error(err, 0)
    end
  end
end

--- Adds a folder whose NAME.lua (or NAME/init.lua) is the policy NAME, before those that moongate brings.
-- Its helper modules are required as "policies.NAME.helper" too.
function policy.add_path(folder)
  for _, known in ipairs(folders) do
    if known == folder then return end
  end
  if #folders == 0 then table.insert(package.loaders, 2, search) end
  folders[#folders + 1] = folder
end

--- Forgets loaded policies, so that the next load reads their files anew. Models made before keep theirs.
function policy.forget()
  for name in pairs(package.loaded) do
    if name:sub(1, #PREFIX) == PREFIX then package.loaded[name] = nil end
  end
end

local function body_error(module)
  local found
  local body = schema.check(BODY, module.body or {}, { "body" }, function(path, message)
    found = found or table.concat(path, ".") .. ": " .. message
  end)
  if found then return found end
  module.body = body
  for _, side in ipairs { "request", "response" } do
    local phase = side .. "_body"
    if module[phase] and body[side] == "none" then
      return ('body.%s: expected "chunks" or "whole", because there is a function %s'):format(side, phase)
    end
    if body[side] == "chunks" and not module[phase] then
      return ("%s: is missing, though body.%s is \"chunks\""):format(phase, side)
    end
  end
end

local function form_error(module)
  if type(module) ~= "table" then return "expected the module to return a table, got " .. schema.show(module) end
  for key, value in pairs(module) do
    local kind = FIELDS[key]
    if not kind then
      local hint = suggest.hint(tostring(key), suggest.keys(FIELDS))
      return ("%s: unknown field of a policy%s"):format(tostring(key), hint)
    end
    if type(value) ~= kind then return ("%s: expected a %s, got %s"):format(key, kind, schema.show(value)) end
  end
  local phases = 0
  for _, phase in ipairs(PHASES) do phases = phases + (module[phase] and 1 or 0) end
  if phases == 0 then return "expected a function for at least one phase: " .. table.concat(PHASES, ", ") end
end

local function check(module)
  local err = form_error(module)
  if err then return err end
  module.schema = module.schema or {}
  local ok, reason = schema.validate(module.schema)
  if not ok then return reason end
  return body_error(module)
end

-- Of require's message only the last line says what is wrong, as "file:line: reason".
local function load_error(name, message)
  message = tostring(message)
  if message:find("module '" .. PREFIX .. name .. "' not found", 1, true) then
    return ("unknown policy '%s'%s"):format(name, suggest.hint(name, policy.stock))
  end
  local reason = message:match("^error loading module .-:\n%s*(.*)$") or message
  return ("policy '%s' does not load: %s"):format(name, (reason:match("^[^\n]*")))
end

--- The module of a policy: its `schema` and `body` filled in, everything else as its author wrote it.
-- @return module, or nil and what is wrong: an unknown name, "file:line: ..." of a syntax error, a malformed module
function policy.load(name)
  if not name:find("^[%a_][%w_]*$") then
    return nil, ("unknown policy '%s'; expected a name of letters, digits and '_'"):format(name)
  end
  local ok, module = pcall(require, PREFIX .. name)
  if not ok then
    package.loaded[PREFIX .. name] = nil -- else the next require would speak of a loop
    return nil, load_error(name, module)
  end
  local err = not sound[module] and check(module)
  if err then return nil, ("policy '%s' is malformed: %s"):format(name, err) end
  sound[module] = true
  return module
end

--- Checks the settings of one use of a policy; calls report(path, message) for every mistake.
-- @return the settings with defaults, as prepare() gets them
function policy.settings(module, conf, path, report)
  local count = 0
  local checked = schema.check(module.schema, conf, path, function(...)
    count = count + 1
    report(...)
  end)
  if count > 0 or not module.check then return checked end
  local _, err = module.check(checked)
  if err then
    local field, reason = tostring(err):match("^([%w_.]+): (.*)$")
    local full = path
    for key in (field or ""):gmatch("[^.]+") do full = schema.join(full, tonumber(key) or key) end
    report(full, reason or tostring(err))
  end
  return checked
end

return policy
