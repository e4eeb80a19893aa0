--- answer: a little service: says its name, and the answers of the services that it calls in turn.
-- Place it last: it always answers.
local http = require "moongate.http"
local log = require "moongate.log"

local answer = {}

answer.schema = {
  { "name", type = "string", required = true, doc = "First line of the answer." },
  { "calls", type = "list", items = { type = "string" }, default = {}, doc = "Services to call, one after another." },
}

--- The answer of one service; a call that fails makes this one fail too, or the demo would hide it.
local function call(service)
  local response, err = http.request { service = service, path = "/", timeout = 5000 }
  if not response then return nil, err end
  if response.status ~= 200 then return nil, ("status %d: %s"):format(response.status, response.body) end
  return (response.body:gsub("%s+$", ""))
end

function answer.request(conf, ctx)
  local lines = { conf.name }
  for _, service in ipairs(conf.calls) do
    local body, err = call(service)
    if not body then
      log.error("a call failed", { service = service, error = err })
      return ctx:respond(502, ("%s could not call %s: %s\n"):format(conf.name, service, err))
    end
    lines[#lines + 1] = body
  end
  return ctx:respond(200, table.concat(lines, " ") .. "\n", { ["content-type"] = "text/plain" })
end

return answer
