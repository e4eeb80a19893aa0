--- The Gateway API's own conformance cases as data, through the real program: see README.md of the folder that
-- MOONGATE_GWAPI names. Where there is none, or no Python, nothing is tested here.
require "spec.support.init"
local gateway = require "spec.support.gateway"
local net = require "spec.support.net"
local process = require "spec.support.process"

local FOLDER = os.getenv "MOONGATE_GWAPI" or "../shared/acceptance/gwapi"
local RUNNER = FOLDER .. "/run.py"
local LIMIT = 180 -- seconds; some 15 are needed, more with the sanitizers
local PORTS = { 80, 443, 8080, 8081, 8082, 8083, 8090, 8443 } -- of the cases' listeners
local NEEDS_HTTP2 = { "^GRPC", "H2C$" }

local function is_here()
  return process.file(RUNNER) ~= nil and process.read("command -v python3"):find "%S" ~= nil
end

describe("Gateway API conformance cases", function()
  it("all pass, but those that need HTTP/2", function()
    if not is_here() then return pending("there is no " .. RUNNER) end
    local argv = { "python3", RUNNER, "--port-offset", tostring(net.free_offset(PORTS)),
      "--gateway", gateway.binary .. " run {dir} --port-offset {offset} --workers 1" }
    for _, pattern in ipairs(NEEDS_HTTP2) do
      argv[#argv + 1] = "--skip"
      argv[#argv + 1] = pattern
    end
    local out = os.tmpname()
    local p = process.start(argv, out)
    local code = process.wait(p, LIMIT)
    if not code then process.stop(p) end
    local text = process.file(out)
    os.remove(out)
    assert.equal(0, code, text)
    assert.truthy(text:find "\n%d+ passed, 0 failed, %d+ skipped")
  end)
end)
