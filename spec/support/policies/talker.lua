--- talker: says what moongate.socket does with what the request's headers ask for.
local socket = require "moongate.socket"
local talker = {}

talker.schema = { { "address", type = "string" }, { "ca", type = "string" } }

local kept -- between requests

local steps = {}

function steps.connect(conf, ctx)
  local tls = conf.ca and { ca = conf.ca, name = ctx.req.headers.name }
  local made, why = socket.connect { address = ctx.req.headers.address or conf.address, timeout = 60000, tls = tls }
  kept = made
  return made and "connected" or why
end

function steps.write(_, ctx)
  local size = tonumber(ctx.req.headers.size)
  local bytes = size and ("x"):rep(size) or ctx.req.headers.text:gsub("|", "\r\n") .. "\r\n"
  local ok, why = kept:write(bytes, tonumber(ctx.req.headers.timeout))
  return ok and "written" or why
end

function steps.read(_, ctx)
  local bytes, why = kept:read(tonumber(ctx.req.headers.count), tonumber(ctx.req.headers.timeout))
  return bytes and (#bytes > 100 and tostring(#bytes) or bytes) or why
end

function steps.line(_, ctx)
  local line, why = kept:read_until("\r\n", tonumber(ctx.req.headers.timeout))
  return line or why
end

function steps.close()
  kept:close()
  return "closed"
end

function talker.request(conf, ctx)
  local said = {}
  for step in ctx.req.path:gmatch "%a+" do said[#said + 1] = steps[step](conf, ctx) end
  return ctx:respond(200, table.concat(said, "|"))
end

return talker
