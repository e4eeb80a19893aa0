--- script: a script for Envoy's Lua filter, loaded into an environment of its own.
local inline = require "moongate.inline"
local lexer = require "moongate.config.lexer"

local script = {}

local NOT_HERE = {} -- methods of Envoy's objects that nothing here answers, with why
for name in ([[setUpstreamOverrideHost clearRouteCache filterContext connectionStreamInfo filterState
    dynamicTypedMetadata setHttp1ReasonPhrase
    virtualHost route stats downstreamRequestHeaders drainConnectionUponCompletion
    issuerPeerCertificate parsedSubjectPeerCertificate uriSanLocalCertificate subjectLocalCertificate
    urlEncodedPemEncodedPeerCertificate urlEncodedPemEncodedPeerCertificateChain dnsSansLocalCertificate
    validFromPeerCertificate expirationPeerCertificate sessionId ciphersuiteId oidsPeerCertificate
    oidsLocalCertificate]]):gmatch("%S+") do
  NOT_HERE[name] = true
end

-- Envoy's LuaJIT lets a metatable say what pairs() goes through.  Those of our own objects, which all scripts share,
-- are hidden.
local function pairs_of(value)
  local mt = getmetatable(value)
  local walk = type(mt) == "table" and mt.__pairs or mt == false and type(value) == "table" and value.__pairs
  if walk then return walk(value) end
  return pairs(value)
end

local function environment()
  local env = inline.environment "envoy_lua"
  env.pairs = pairs_of
  env.EnvoyTimestampResolution = { MILLISECOND = 0, MICROSECOND = 1 }
  return env
end

-- Whether the name at `i` is the last of a function's: "function o:name", "function o.p.name".
local function ends_definition(texts, i)
  if texts[i - 1] ~= ":" and texts[i - 1] ~= "." then return false end
  i = i - 2
  while texts[i - 1] == "." do i = i - 2 end
  return texts[i - 1] == "function"
end

-- The names that a script gives to methods of its own: "function o:name", "o.name =", "name = function".
local function own_names(tokens)
  local own, texts = {}, tokens.texts
  for i = 1, tokens.count do
    local set = texts[i + 1] == "=" and (texts[i - 1] == "." or texts[i + 2] == "function")
    if set or ends_definition(texts, i) then own[texts[i]] = true end
  end
  return own
end

-- "file:line: what" of the first call of something that is not here; nil: there is none.
local function unsupported(code)
  local tokens = lexer.tokens(code.text)
  local own = own_names(tokens)
  for i = 1, tokens.count - 1 do
    local name = tokens.texts[i + 1]
    local called = tokens.kinds[i] == lexer.SYMBOL and tokens.texts[i] == ":" and tokens.kinds[i + 1] == lexer.NAME
    if called and NOT_HERE[name] and not own[name] then
      return ("%s:%d: %s() of Envoy's Lua API is not supported here"):format(code.file,
        code.line + tokens.lines[i + 1] - 1, name)
    end
  end
end

--- For which messages a script goes through chunks: { request =, response = }.  A call of bodyChunks() is of the
-- function, envoy_on_request or envoy_on_response, that stands last before it; of both, where none does.
-- @param code of a schema's type "code"
function script.streams(code)
  local tokens, sides = lexer.tokens(code.text), { "request", "response" }
  local streams = { request = false, response = false }
  for i = 1, tokens.count do
    local name = tokens.kinds[i] == lexer.NAME and tokens.texts[i]
    local side = name and name:match "^envoy_on_(%l+)$"
    if side == "request" or side == "response" then sides = { side } end
    if name == "bodyChunks" then
      for _, one in ipairs(sides) do streams[one] = true end
    end
  end
  return streams
end

--- Loads a script: { request =, response = } of its functions (nil where it has none), or nil and what is wrong.
-- @param code of a schema's type "code"
function script.load(code)
  local env = environment()
  local chunk, err = inline.compile(code, env)
  err = err or unsupported(code)
  if err then return nil, err end
  local ok, why = pcall(chunk)
  if not ok then return nil, tostring(why) end
  local functions = { request = env.envoy_on_request, response = env.envoy_on_response }
  for _, name in ipairs { "request", "response" } do
    local fn = functions[name]
    if fn ~= nil and type(fn) ~= "function" then
      return nil, ("%s:%d: envoy_on_%s is no function"):format(code.file, code.line, name)
    end
  end
  if not functions.request and not functions.response then
    return nil, ("%s:%d: defines neither envoy_on_request nor envoy_on_response"):format(code.file, code.line)
  end
  return functions
end

return script
