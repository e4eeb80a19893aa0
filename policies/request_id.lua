--- request_id: gives every request an id that goes upstream and back to the client.
-- The id is the gateway's own for this request (also in its logs), or, with `keep`, the one that the client sent,
-- if it is one to three hundred visible characters.
-- Phases: request (sets), response (echoes).
-- Place it first, so that every other policy sees the id.
local field = require "moongate.field"
local random = require "moongate.random"
local request_id = {}

request_id.schema = {
  { "header", type = "string", default = "x-request-id", doc = "Header that carries the id." },
  { "keep", type = "boolean", default = false, doc = "Keep an id that the client sent." },
  { "echo", type = "boolean", default = true, doc = "Put the id into the response too." },
}

function request_id.check(conf)
  local why = field.name_error(conf.header)
  if why then return nil, "header: " .. why end
end

local function acceptable(id)
  return id ~= nil and #id <= 300 and not id:find("[^\33-\126]") and id ~= ""
end

function request_id.request(conf, ctx)
  local headers, id = ctx.req.headers, nil
  if conf.keep then id = headers[conf.header] end
  if not acceptable(id) then id = ctx.request_id end
  if not acceptable(id) then id = random.uuid() end
  headers[conf.header] = id
  ctx.own.id = id
end

function request_id.response(conf, ctx)
  if conf.echo then ctx.res.headers[conf.header] = ctx.own.id end
end

return request_id
