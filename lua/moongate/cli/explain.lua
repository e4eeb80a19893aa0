--- explain: says what the gateway would do with a request, and why, without a socket.
local options = require "moongate.cli.options"
local request_words = require "moongate.cli.request"

local explain = {}

explain.usage = "explain PATH... [REQUEST]"
explain.summary = "say what becomes of a request, and what decides"

local MOST = 200 -- candidates in a record

local REQUEST = request_words.options {
  ["principal"] = { key = "principal", type = "text" }, ["sni"] = { key = "sni", type = "text" },
  ["source-ip"] = { key = "source_ip", type = "text" }, ["listener"] = { key = "listener", type = "text" },
  ["port"] = { key = "port", type = "count", min = 1, max = 65535 }, ["json"] = { key = "json", type = "flag" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
}

local function explained(values, request, streams)
  local load = require "moongate.cli.load"
  local model = load.model(values, streams.err)
  if not model then return 1 end
  local stage = require "moongate.explain.stage"
  local result, err = stage.run(model, values, request, MOST)
  if not result then return streams.refuse(err, explain) end
  streams.out(values.json and stage.json(result) or stage.text(result))
  return 0
end

--- @return 0, whatever the answer is; 1 when the config has mistakes (they are on the error stream); 2 for bad usage
function explain.main(words, streams)
  local values, rest = options.parse(words, REQUEST)
  if not values then return streams.refuse(rest, explain) end
  if #rest == 0 then return streams.refuse("expected the path of a config", explain) end
  values.paths, values.policy_path, values.port_offset = rest, values.policy_path or {}, 0
  local request, err = request_words.read(values)
  if not request then return streams.refuse(err, explain) end
  require("moongate.rehearsal").install()
  return explained(values, request, streams)
end

return explain
