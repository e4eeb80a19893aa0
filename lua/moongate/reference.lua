--- reference: what a policy may use, as `moongate docs` prints it.
-- The one description is lua/moongate/api/: files as a language server for Lua reads them (LuaCATS, luals.github.io),
-- one a module and one for ctx. They are never run; spec/flow/docs_spec.lua holds them against what is really there.
local files = require "moongate.reference.files"

local reference = {}

--- The files of the description, by their names in lua/moongate/api/, in the order in which they are printed.
reference.NAMES = { "policy", "ctx", "http", "socket", "redis", "otlp", "shared", "metrics", "timer", "log", "json",
  "json_edit", "base64", "gzip", "query", "cookie", "jwt", "jwk", "jwks", "claims", "cel", "hash", "random", "rate",
  "time", "units", "field", "prefix", "normalize", "file", "regex", "test" }

--- The text of one of them.
function reference.source(name)
  return (assert(files.read("lua/moongate/api/" .. name .. ".lua"), name))
end

-- ---- reading ------------------------------------------------------------------------------

-- "type text": a type has no blank but within brackets, behind a comma, a colon or "fun(...):".
local function split_type(rest)
  local depth, i = 0, 1
  while i <= #rest do
    local char = rest:sub(i, i)
    if char:find "[%(%[{<]" then depth = depth + 1 end
    if char:find "[%)%]}>]" then depth = depth - 1 end
    if char == " " and depth == 0 and not rest:sub(i - 1, i - 1):find "[:,]" then break end
    i = i + 1
  end
  return rest:sub(1, i - 1), rest:sub(i + 1)
end

local tags = {}

function tags.class(state, rest)
  state.class = { name = rest, doc = table.concat(state.doc, " "), fields = {}, functions = {} }
  table.insert(state.classes, state.class)
  state.doc = {}
end

function tags.field(state, rest)
  local name, after = rest:match "^(%b[])%s+(.*)$"
  if not name then name, after = rest:match "^(%S+)%s+(.*)$" end
  local kind, doc = split_type(after)
  table.insert(state.class.fields, { name = name:gsub("%?$", ""), optional = name:find "%?$" ~= nil, type = kind,
    doc = doc })
end

function tags.param(state, rest)
  local name, after = rest:match "^(%S+)%s+(.*)$"
  local kind, doc = split_type(after)
  table.insert(state.params, { name = name:gsub("%?$", ""), optional = name:find "%?$" ~= nil, type = kind, doc = doc })
end

tags["return"] = function(state, rest)
  local kind, doc = split_type(rest)
  table.insert(state.returns, { type = kind, doc = doc })
end

function tags.meta() end

local function begin_entry(state)
  state.doc, state.params, state.returns = {}, {}, {}
end

local function end_function(state, owner, mark, name, arguments)
  local class = state.owners[owner]
  table.insert(class.functions, { name = name, call = ("%s%s%s(%s)"):format(owner, mark, name, arguments),
    doc = table.concat(state.doc, " "), params = state.params, returns = state.returns, arguments = arguments })
  begin_entry(state)
end

--- The classes that a file of the description has, in its order.
-- @return array of { name = "moongate.Ctx", var = "ctx" or nil, doc =, fields = array of { name =, optional =, type =,
-- doc = }, functions = array of { name =, call = "ctx:sleep(ms)", doc =, params = like fields, returns = array of
-- { type =, doc = }, arguments = "ms" } }
function reference.parse(text)
  local state = { classes = {}, owners = {} }
  begin_entry(state)
  for line in text:gmatch "[^\n]*" do
    local tag, rest = line:match "^%-%-%-@(%l+)%s*(.*)$"
    local comment = line:match "^%-%-%- (.*)$"
    local owner, mark, name, arguments = line:match "^function ([%w_]+)([.:])([%w_]+)%((.-)%) end$"
    local var = line:match "^local ([%w_]+) = {}$"
    if tag then
      tags[tag](state, rest)
    elseif comment then
      table.insert(state.doc, comment)
    elseif owner then
      end_function(state, owner, mark, name, arguments)
    elseif var then
      state.owners[var], state.class.var = state.class, var
    end
  end
  return state.classes
end

local all

--- All classes, of all files.
function reference.classes()
  if all then return all end
  all = {}
  for _, name in ipairs(reference.NAMES) do
    for _, class in ipairs(reference.parse(reference.source(name))) do all[#all + 1] = class end
  end
  return all
end

return reference
