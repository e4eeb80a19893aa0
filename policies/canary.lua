--- canary: sends a share of the clients to another service or subset.
-- With `header` or `cookie` the share is sticky: the choice hashes that value, so a client stays on its side while
-- `percent` is the same, and a growing percent only adds clients.  A request without it is drawn anew each time.
-- Phases: request (chooses), response (marks).
-- Place it after policies that may refuse the request.
local field = require "moongate.field"
local hash = require "moongate.hash"
local random = require "moongate.random"
local canary = {}

canary.schema = {
  { "service", type = "string", required = true, doc = "Service that receives the share." },
  { "subset", type = "string", doc = "Subset of the service." },
  { "percent", type = "number", min = 0, max = 100, required = true, doc = "Share of clients." },
  { "header", type = "string", doc = "Request header that names the client." },
  { "cookie", type = "string", doc = "Cookie that names the client." },
  { "mark", type = "string", default = "x-canary", doc = "Response header set to 1 for the share; empty: none." },
}

function canary.check(conf)
  if conf.header and conf.cookie then return nil, "cookie: either header or cookie names the client" end
  local why = conf.mark ~= "" and field.name_error(conf.mark)
  if why then return nil, "mark: " .. why end
end

-- The name of the target is hashed too: two canaries of one client are drawn apart.
function canary.prepare(conf)
  conf.salt = conf.service .. "/" .. (conf.subset or "") .. "/"
  return conf
end

local function key_of(conf, ctx)
  if conf.header then return ctx.req.headers[conf.header] end
  if conf.cookie then return ctx.req:cookie(conf.cookie) end
end

function canary.request(conf, ctx)
  local key = key_of(conf, ctx)
  local point = key and hash.unit(conf.salt .. key) or random.number()
  if point * 100 >= conf.percent then return end
  ctx:use_backend(conf.service, conf.subset)
  if conf.mark ~= "" then ctx.own.picked = true end
end

function canary.response(conf, ctx)
  if ctx.own.picked then ctx.res.headers[conf.mark] = "1" end
end

--- The share, and what it goes by.
function canary.explain(conf)
  local by = conf.header and " by header " .. conf.header or conf.cookie and " by cookie " .. conf.cookie or ""
  return { ("%g%% of clients go to %s%s%s"):format(conf.percent, conf.service,
    conf.subset and "/" .. conf.subset or "", by) }
end

return canary
