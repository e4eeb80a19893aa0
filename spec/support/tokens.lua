--- tokens: tokens and keys made by npm's jose, for specs; the package is installed into the build folder once.
local json = require "cjson"
local process = require "spec.support.process"

local JOSE = "5.10.0"
local FOLDER = "build/npm"

local tokens = {}

local function succeeds(command)
  local result = os.execute("{ " .. command .. "; } >/dev/null 2>&1")
  return result == 0 or result == true
end

--- Why there can be no tokens, or nil.
function tokens.lacking()
  local installed = FOLDER .. "/node_modules/jose/package.json"
  if not succeeds "command -v node && command -v npm" then return "there is no node, or no npm" end
  if not process.file(installed) then
    -- Two specs may come here at once.
    local install = "mkdir -p %s && flock %s.lock sh -c 'test -e %s || "
      .. "npm install --no-audit --no-fund --ignore-scripts --no-save --prefix %s jose@%s'"
    if not succeeds(install:format(FOLDER, FOLDER, installed, FOLDER, JOSE)) then
      return "npm cannot install jose " .. JOSE
    end
  end
end

--- { sets = key sets by name, as texts; tokens = by name } (tokens.js has the names).
function tokens.make(issuer)
  local command = "NODE_PATH=%s/node_modules node spec/support/tokens.js %s"
  local text = process.read(command:format(FOLDER, issuer))
  local made = json.decode(text)
  for name, set in pairs(made.sets) do made.sets[name] = json.encode(set) end
  return made
end

return tokens
