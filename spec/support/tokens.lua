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

--- { sets = key sets by name, as texts; tokens = by name } (tokens.js has the names); nil, and why there are none.
function tokens.make()
  local installed = FOLDER .. "/node_modules/jose/package.json"
  if not succeeds "command -v node && command -v npm" then return nil, "there is no node, or no npm" end
  if not process.file(installed) then
    -- Two specs may come here at once.
    local install = "mkdir -p %s && flock %s.lock sh -c 'test -e %s || "
      .. "npm install --no-audit --no-fund --ignore-scripts --no-save --prefix %s jose@%s'"
    if not succeeds(install:format(FOLDER, FOLDER, installed, FOLDER, JOSE)) then
      return nil, "npm cannot install jose " .. JOSE
    end
  end
  local text = process.read(("NODE_PATH=%s/node_modules node spec/support/tokens.js"):format(FOLDER))
  local made = json.decode(text)
  for name, set in pairs(made.sets) do made.sets[name] = json.encode(set) end
  return made
end

return tokens
