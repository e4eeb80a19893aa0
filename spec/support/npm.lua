--- npm: packages of npm for specs, installed into the build folder once; and what node makes of them.
local process = require "spec.support.process"

local npm = {}

local FOLDER = "build/npm"
local VERSIONS = { ajv = "8.17.1", jose = "5.10.0" }

local function succeeds(command)
  local result = os.execute("{ " .. command .. "; } >/dev/null 2>&1")
  return result == 0 or result == true
end

--- Why a package is not to be had, or nil.
function npm.lacking(name)
  local installed = ("%s/%s/node_modules/%s/package.json"):format(FOLDER, name, name)
  if not succeeds "command -v node && command -v npm" then return "there is no node, or no npm" end
  if not process.file(installed) then
    -- Two specs may come here at once.
    local install = "mkdir -p %s/%s && flock %s.lock sh -c 'test -e %s || "
      .. "npm install --no-audit --no-fund --ignore-scripts --no-save --prefix %s/%s %s@%s'"
    if not succeeds(install:format(FOLDER, name, FOLDER, installed, FOLDER, name, name, VERSIONS[name])) then
      return ("npm cannot install %s %s"):format(name, VERSIONS[name])
    end
  end
end

--- What a script of spec/support prints, run with a package.
function npm.run(name, script, argument)
  return process.read(("NODE_PATH=%s/%s/node_modules node spec/support/%s '%s'"):format(FOLDER, name, script, argument))
end

return npm
