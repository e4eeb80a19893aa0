--- explain: says what the gateway would do with a request, and why, without a socket.
local options = require "moongate.cli.options"

local explain = {}

explain.usage = "explain PATH... [REQUEST]"
explain.summary = "say what becomes of a request, and what decides"

local MOST = 200 -- candidates in a record

local REQUEST = {
  ["method"] = { key = "method", type = "text" }, ["host"] = { key = "host", type = "text" },
  ["path"] = { key = "path", type = "text" }, ["header"] = { key = "headers", type = "text", list = true },
  ["principal"] = { key = "principal", type = "text" }, ["sni"] = { key = "sni", type = "text" },
  ["source-ip"] = { key = "source_ip", type = "text" }, ["jwt"] = { key = "jwt", type = "text" },
  ["body"] = { key = "body", type = "text" }, ["listener"] = { key = "listener", type = "text" },
  ["port"] = { key = "port", type = "count", min = 1, max = 65535 }, ["json"] = { key = "json", type = "flag" },
  ["policy-path"] = { key = "policy_path", type = "text", list = true },
}

local function read(path)
  local file = io.open(path, "rb")
  local text = file and file:read("*a")
  if file then file:close() end
  return text
end

local function read_headers(values)
  local list = {}
  for i, given in ipairs(values.headers or {}) do
    local name, value = given:match("^([^%s:]+):%s*(.-)%s*$")
    if not name then return nil, ('--header: expected "name: value", got %q'):format(given) end
    list[i] = { name, value }
  end
  if not values.jwt then return list end
  local token = read(values.jwt)
  if not token then return nil, ("--jwt: cannot read %s"):format(values.jwt) end
  list[#list + 1] = { "Authorization", "Bearer " .. token:gsub("%s+$", "") }
  return list
end

-- The words as { method =, target =, authority =, headers =, body = }; or nil and what is wrong with them.
local function request_of(values)
  local headers, err = read_headers(values)
  if not headers then return nil, err end
  local body = values.body and read(values.body) or ""
  if values.body and body == "" and not read(values.body) then
    return nil, ("--body: cannot read %s"):format(values.body)
  end
  local request = { method = values.method or "GET", target = values.path or "/",
    authority = values.host or "localhost", headers = headers, body = body }
  for _, name in ipairs { "method", "target", "authority" } do
    if request[name]:find("[%c ]") then return nil, ("--%s: a blank cannot stand there"):format(name) end
  end
  return request
end

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
  local request, err = request_of(values)
  if not request then return streams.refuse(err, explain) end
  require("moongate.rehearsal").install()
  return explained(values, request, streams)
end

return explain
