--- tokens: tokens and keys made by npm's jose, for specs.
local json = require "cjson"
local npm = require "spec.support.npm"

local tokens = {}

--- Why there can be no tokens, or nil.
function tokens.lacking() return npm.lacking "jose" end

--- { sets = key sets by name, as texts; tokens = by name } (tokens.js has the names).
function tokens.make(issuer)
  local text = npm.run("jose", "tokens.js", issuer)
  local made = json.decode(text)
  for name, set in pairs(made.sets) do made.sets[name] = json.encode(set) end
  return made
end

return tokens
