--- config.lua: the front end for configs in Lua. Runs the file with no more than pure functions and os.getenv,
-- checks what it returns, and drafts a model from it.
local draft = require "moongate.config.draft"
local fields = require "moongate.config.fields"
local model = require "moongate.model"
local positions = require "moongate.config.positions"
local schema = require "moongate.schema"
local sources = require "moongate.config.sources"

local lua = {}

local PURE = {
  "assert", "error", "ipairs", "next", "pairs", "pcall", "select", "tonumber", "tostring", "type", "unpack",
}

local function copy(from)
  local to = {}
  for key, value in pairs(from) do to[key] = value end
  return to
end

local function environment()
  local env = { os = { getenv = os.getenv }, string = copy(string), table = copy(table), math = copy(math) }
  for _, name in ipairs(PURE) do env[name] = _G[name] end
  env.string.dump = nil
  return env
end

-- The compiler and error() say "config:line: text": a name that is never cut short, as that of a file may be.
local function split(file, message)
  local line, text = tostring(message):match("^config:(%d+): (.*)$")
  return { file = file, line = tonumber(line) or 1, message = text or tostring(message) }
end

local function run(file, source)
  local chunk, err = load(source, "=config", "t", environment())
  if not chunk then return nil, split(file, err) end
  local ok, result = pcall(chunk)
  if not ok then return nil, split(file, result) end
  if type(result) ~= "table" then
    local text = "expected the file to return a table, got " .. schema.show(result)
    return nil, { file = file, line = 1, message = text }
  end
  return result
end

local function path_text(path)
  local text = ""
  for _, key in ipairs(path) do
    if type(key) == "string" and key:find("^[%a_][%w_]*$") then
      text = text .. (text == "" and "" or ".") .. key
    else
      text = text .. (type(key) == "string" and ("[%q]"):format(key) or ("[%s]"):format(tostring(key)))
    end
  end
  return text
end

local function in_order(a, b)
  if a.line ~= b.line then return a.line < b.line end
  return a.message < b.message
end

--- Reads the text of a config in Lua.
-- @param file what its mistakes are said of; what it names is relative to that file's folder
-- @param options { tls = moongate.tls to try certificates and keys with } or nil
-- @return the model; or nil, an array of { file =, line =, message = } and what there is of the model
function lua.read(source, file, options)
  local raw, mistake = run(file, source)
  if not raw then return nil, { mistake } end

  local root, errors = positions.parse(source), {}
  local function report(path, message)
    local where = #path > 0 and path_text(path) .. ": " or ""
    local line = positions.line(root, path)
    if message:sub(1, #file + 1) == file .. ":" then -- who found it knows the line better
      line, message = message:match("^(%d+): (.*)$", #file + 2)
    end
    errors[#errors + 1] = { file = file, line = tonumber(line), message = where .. message }
  end
  local function at(path)
    return file .. ":" .. positions.line(root, path)
  end

  local function text_at(path)
    local line, first = positions.line(root, path)
    return file, first or line
  end

  local checked = schema.check(fields.config, raw, {}, report)
  local folder = file:match("^(.*/)[^/]*$") or ""
  local made, source_path = draft.make(checked, raw, { folder = folder, read = sources.read_pem, report = report,
    at = at, text_at = text_at, tls = options and options.tls })
  made.source = file
  local result = model.check(made, function(path, message)
    report(source_path(path), message)
  end, { by_specificity = checked.order ~= "written" })
  if #errors > 0 then
    table.sort(errors, in_order)
    return nil, errors, made
  end
  return result
end

--- The same of a file.
function lua.load(file, options)
  local source, err = sources.read(file)
  if not source then return nil, { { file = file, line = 1, message = "cannot be read: " .. err } } end
  return lua.read(source, file, options)
end

return lua
