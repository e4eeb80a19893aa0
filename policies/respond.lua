--- respond: answers every request that reaches it, with a fixed status, body and headers.
-- Phases: request.
-- Place it last: no policy after it is asked, no backend is called.
local field = require "moongate.field"
local respond = {}

respond.schema = {
  { "status", type = "integer", min = 200, max = 599, default = 200, doc = "Status of the answer." },
  { "body", type = "string", default = "", doc = "Body of the answer; text/plain unless headers say otherwise." },
  { "headers", type = "map", values = { type = { "string", "list" }, items = { type = "string" } },
    doc = "Name to value or list of values." },
  { "flag", type = "string", pattern = "^%u+$", doc = "Response flag that logs show for it, such as NR." },
  { "details", type = "string", pattern = "^[^%s%c]+$", doc = "Response details that logs show for it." },
}

function respond.check(conf)
  local why = field.map_error(conf.headers, "headers")
  if why then return nil, why end
  if conf.body ~= "" and (conf.status == 204 or conf.status == 304) then
    return nil, ("body: an answer with status %d has none"):format(conf.status)
  end
end

function respond.request(conf, ctx)
  if conf.flag then ctx:flag(conf.flag) end
  if conf.details then ctx.details = conf.details end
  return ctx:respond(conf.status, conf.body, conf.headers)
end

return respond
