--- modules: what a policy may require of moongate, function by function.
local modules = {}

-- README has the same list for people.
local OPEN = {
  base64 = "encode decode encode_url decode_url",
  cel = "compile",
  claims = "finder names texts",
  cookie = "get",
  field = "name_error value_error map_error as_cgi drop_forged",
  gzip = "decoder encoder",
  hash = "sha1 sha256 sha384 sha512 md5 hmac hex u32 unit",
  http = "request",
  json = "null array decode encode",
  json_edit = "path set",
  jwk = "is_known read",
  jwks = "fixed remote at_hand set renewed",
  jwt = "MISSING UNKNOWN_ISSUER AUDIENCE NO_KEY FAILS NO_KEYS parse time_error audiences is_for check",
  log = "format debug info warn error sink",
  metrics = "ABSENT counter gauge histogram",
  normalize = "MODES by_mode",
  otlp = "exporter",
  prefix = "fields error prepare replace",
  query = "decode encode each get get_all",
  random = "number bytes uuid",
  rate = "functions sources",
  redis = "null new",
  regex = "compile",
  shared = "open",
  socket = "connect",
  time = "now monotonic rfc3339 http_date http_date_now",
  timer = "after every cancel",
  units = "duration show_duration size",
}

-- For policies that come with moongate: files are read when settings are, and block; pauses are for work that is known
-- to be part of a load; what was verified is nobody's to say who has not.
local STOCK = {
  ["config.lexer"] = "NAME STRING SYMBOL tokens",
  ["config.sources"] = "read",
  file = "read watch",
  inline = "compile environment",
  jwt = OPEN.jwt .. " recall remember",
  locations = "schema mistake add find remove",
  pause = "here",
  verified = "kept put get",
  ["router.hosts"] = "new",
}

local function copy(value)
  if type(value) ~= "table" or getmetatable(value) ~= nil then return value end
  local new = {}
  for key, one in pairs(value) do new[key] = copy(one) end
  return new
end

-- Timers are counted by policy, and each cancels its own.
local function owned(own, owner)
  local after, every, cancel = own.after, own.every, own.cancel
  function own.after(seconds, fn) return after(seconds, fn, owner) end
  function own.every(seconds, fn) return every(seconds, fn, owner) end
  function own.cancel(id) return cancel(id, owner) end
end

-- A file is opened for policies that come with moongate alone, by a name that stands in their settings: a line at the
-- end of any file would be a way out.
local function without_files(own)
  local sink = own.sink
  function own.sink(path)
    if path == "stdout" or path == "stderr" then return sink(path) end
    return nil, ("%s: a policy may open 'stdout' and 'stderr' alone; policy access_log writes to files"):format(
      tostring(path))
  end
end

-- The gateway has dictionaries of its own.
local function without_ours(own)
  local open = own.open
  function own.open(name, options)
    if type(name) == "string" and name:find "^moongate " then
      error(("shared.open: %q is the gateway's own"):format(name), 2)
    end
    return open(name, options)
  end
end

--- A table of a module's functions for the policy `owner`; nil when policies may not require it.
-- @param name without "moongate."; @param stock whether the policy comes with moongate
function modules.open(name, owner, stock)
  local names = stock and STOCK[name] or OPEN[name]
  if not names then return nil end
  local module, own = require("moongate." .. name), {}
  for field in names:gmatch "%S+" do own[field] = copy(module[field]) end
  if name == "timer" then owned(own, owner) end
  if name == "log" and not stock then without_files(own) end
  if name == "shared" then without_ours(own) end
  return own
end

return modules
