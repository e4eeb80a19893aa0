--- policy: finds a policy module, loads it into a sandbox, checks its form, and hands its state over at a reload.
local bounded = require "moongate.bounded"
local files = require "moongate.policy.files"
local sandbox = require "moongate.sandbox"
local schema = require "moongate.schema"
local state = require "moongate.policy.state"
local suggest = require "moongate.suggest"
local tree = require "moongate.schema.tree"

local policy = {}

--- The policies that moongate brings, for suggestions.
policy.stock = {
  "access_log", "api_key", "body_rewrite", "canary", "cors", "envoy_lua", "ext_authz", "fault", "headers", "jwt", "lua",
  "metrics", "mirror", "misdirected", "normalize", "rate_limit", "rbac", "redirect", "request_id", "respond", "rewrite",
  "traceparent",
}

--- What each use may say of itself, beside the policy's own settings.
policy.OF_A_USE = {
  { "cpu_budget", type = "duration", min = 10, doc = "CPU time of one call; absent: `budgets.cpu`." },
  { "on_error", type = "string", one_of = { "deny", "skip" },
    doc = "Where it raises: 500, or (of a policy that never decides) the request goes on." },
  { "shadow", type = "boolean", doc = "Whether it changes nothing, and is only counted." },
}

local FIELDS = {
  schema = "table", prepare = "function", check = "function", body = "any", request = "function",
  request_body = "function", response = "function", response_body = "function", log = "function",
  explain = "function", state = "table", migrate = "function", try = "function", tried = "function",
  decides = "boolean", slower_than = "function", slow = "function",
}
local PHASES = { "request", "request_body", "try", "tried", "response", "response_body", "log" }

local BODY = {
  { "request", type = "string", one_of = { "none", "chunks", "whole" }, default = "none" },
  { "response", type = "string", one_of = { "none", "chunks", "whole" }, default = "none" },
  { "limit", type = "size", min = 1, default = "1MiB" },
  { "hold", type = "boolean", default = false },
}

-- By name: { module =, files =, shape =, stock = }: of the load that goes on, and of the one that was taken last.
local loaded, serving = {}, {}

--- Adds a folder whose NAME.lua (or NAME/init.lua) is the policy NAME, before those that moongate brings.
-- Its helper modules are required as "policies.NAME.helper".
policy.add_path = files.add_path

--- A load begins: the next policy.load() looks at the files anew.  A policy that reads as in the model that serves is
-- the same module, with all that it remembers.
-- @param given what policy.sources() gave in a process that has read the config, or nil
function policy.forget(given)
  loaded = {}
  files.give(given or {})
end

--- The policies of this load, by name: { stock =, files = array of { name =, text =, chunkname = } }.
function policy.sources()
  local sources = {}
  for name, entry in pairs(loaded) do sources[name] = { stock = entry.stock, files = entry.files } end
  return sources
end

--- The load is taken: policies whose files have changed get the declared state of those that serve so far.
-- @return true; or nil and "policy 'NAME': FILE:LINE: why" of a migrate() that failed: then nothing has changed
function policy.hand_over()
  local taken, err = state.hand_over(serving, loaded)
  if not taken then return nil, err end
  serving = loaded
  return true
end

-- What a policy declares of bodies, with defaults; or nil and what is wrong.
local function body_of(module, declared)
  local found
  local body = schema.check(BODY, declared, { "body" }, function(path, message)
    found = found or table.concat(path, ".") .. ": " .. message
  end)
  if found then return nil, found end
  for _, side in ipairs { "request", "response" } do
    local phase = side .. "_body"
    if module[phase] and body[side] == "none" and type(module.body) ~= "function" then
      return nil, ('body.%s: expected "chunks" or "whole", because there is a function %s'):format(side, phase)
    end
    if body[side] == "chunks" and not module[phase] then
      return nil, ("%s: is missing, though body.%s is \"chunks\""):format(phase, side)
    end
  end
  return body
end

local function body_error(module)
  if type(module.body) == "function" then return nil end
  if module.body ~= nil and type(module.body) ~= "table" then
    return "body: expected a table or a function, got " .. schema.show(module.body)
  end
  local body, why = body_of(module, module.body or {})
  module.body = body
  return why
end

--- What one use of a policy, with these checked settings, wants of bodies.
-- @return { request =, response =, limit =, hold = }, or nil and what is wrong with the policy's own function
function policy.body(module, conf)
  if type(module.body) ~= "function" then return module.body end
  local ok, declared = bounded.pcall(module.body, conf)
  if not ok then return nil, tostring(declared) end
  if type(declared) ~= "table" then
    return nil, "body: expected the function to return a table, got " .. schema.show(declared)
  end
  return body_of(module, declared)
end

local function form_error(module)
  if type(module) ~= "table" then
    return "expected the module to return a table, got " .. (module == true and "nothing" or schema.show(module))
  end
  if getmetatable(module) ~= nil then return "expected a table without a metatable" end
  for key, value in pairs(module) do
    local kind = FIELDS[key]
    if not kind then
      local hint = suggest.hint(tostring(key), suggest.keys(FIELDS))
      return ("%s: unknown field of a policy%s"):format(tostring(key), hint)
    end
    if type(value) ~= kind and kind ~= "any" then
      return ("%s: expected a %s, got %s"):format(key, kind, schema.show(value))
    end
  end
  local phases = 0
  for _, phase in ipairs(PHASES) do phases = phases + (module[phase] and 1 or 0) end
  if phases == 0 then return "expected a function for at least one phase: " .. table.concat(PHASES, ", ") end
end

-- Such a setting would never reach the policy.
local function reserved_error(fields)
  for _, field in ipairs(fields) do
    for _, reserved in ipairs(policy.OF_A_USE) do
      if field[1] == reserved[1] then
        return ("schema: field '%s': each use of any policy has it; expected another name"):format(field[1])
      end
    end
  end
end

local function check(module)
  local err = form_error(module)
  if err then return err end
  module.schema = module.schema or {}
  local ok, reason = schema.validate(module.schema)
  if not ok then return reason end
  return reserved_error(module.schema) or body_error(module)
end

local function unknown(name)
  return ("unknown policy '%s'%s"):format(name, suggest.hint(name, policy.stock))
end

-- The first line says what is wrong, as "file:line: reason".
local function load_error(name, message)
  return ("policy '%s' does not load: %s"):format(name, (tostring(message):match("^[^\n]*")))
end

local function run(name, place)
  local box = sandbox.new(name, place.find, place.stock)
  if not place.stock then bounded.begin() end
  local ok, module = bounded.pcall(box.require, box, "policies." .. name)
  if not ok then return nil, load_error(name, module) end
  local err = check(module)
  if err then return nil, ("policy '%s' is malformed: %s"):format(name, err) end
  local sealed, find = pcall(files.seal, box.files, place.find)
  if not sealed then return nil, load_error(name, find) end
  box:seal(find)
  return { module = module, files = box.files, shape = state.shape(module.state), stock = place.stock }
end

--- The module of a policy: its `schema` and `body` filled in, everything else as its author wrote it.
-- @return module, or nil and what is wrong: an unknown name, "file:line: ..." of a syntax error, a malformed module
function policy.load(name)
  if not name:find("^[%a_][%w_]*$") then
    return nil, ("unknown policy '%s'; expected a name of letters, digits and '_'"):format(name)
  end
  if loaded[name] then return loaded[name].module end
  local place = files.place(name)
  if not place then return nil, unknown(name) end
  local entry, err = serving[name], nil
  if not entry or not files.are_same(entry.files, place) then entry, err = run(name, place) end
  if not entry then return nil, err end
  loaded[name] = entry
  return entry.module
end

--- Checks the settings of one use of a policy; calls report(path, message) for every mistake.
-- @return the settings with defaults, as prepare() gets them
function policy.settings(module, conf, path, report)
  local count = 0
  local function say(...)
    count = count + 1
    report(...)
  end
  local checked = schema.check(module.schema, conf, path, say)
  for key, value in pairs(checked) do
    if tree.holds_itself(value) then say(schema.join(path, key), "a table that holds itself") end
  end
  if count > 0 or not module.check then return checked end
  local ok, result, err = bounded.pcall(module.check, checked)
  if not ok then report(path, "check: " .. tostring(result)) end
  if ok and err then
    local field, reason = tostring(err):match("^([%w_.]+): (.*)$")
    local full = path
    for key in (field or ""):gmatch("[^.]+") do full = schema.join(full, tonumber(key) or key) end
    report(full, reason or tostring(err))
  end
  return checked
end

return policy
