--- inline: Lua that stands in a config, as functions whose errors name the config's file and line.
local bounded = require "moongate.bounded"
local sandbox = require "moongate.sandbox"

local inline = {}

--- A chunk of `code` that may be called again and again, with an environment of its own.
-- @param code { text =, file =, line = of its first line } (a schema's type "code")
-- @param env the globals that it sees beside its own
-- @return function(...); or nil and "file:line: why"
function inline.compile(code, env)
  local shifted = ("\n"):rep(code.line - 1) .. code.text
  local chunk, err = load(shifted, "@" .. code.file, "t", env)
  if chunk then return chunk end
  local line, why = err:match("^.-:(%d+): (.*)$")
  return nil, ("%s:%s: %s"):format(code.file, line or code.line, why or err)
end

--- Globals of its own for one use of a policy: what policies of users see (moongate.sandbox).
-- @param owner the policy's name
function inline.environment(owner)
  bounded.begin()
  return sandbox.new(owner, function() end, false).globals
end

return inline
