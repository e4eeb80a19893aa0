--- quota: lets a client send so many requests a minute, then answers 429.
-- All workers count together, in a shared dictionary whose entries expire.
-- Phases: request (counts), response (tells what is left).
-- Place it before whatever costs something.
local shared = require "moongate.shared"
local quota = {}

local MINUTE = 60

quota.schema = {
  { "requests", type = "integer", min = 1, required = true, doc = "Requests a minute and client." },
}

--- Runs once when the config is loaded; what it returns is `conf` in every phase.
function quota.prepare(conf)
  conf.counts = assert(shared.open("quota", { size = "1MiB" }))
  return conf
end

function quota.request(conf, ctx)
  local key = ctx.client_address
  local count = assert(conf.counts:incr(key, 1, 0, MINUTE)) -- an error here is a 500, never a free pass
  if count > conf.requests then
    local wait = math.ceil(conf.counts:ttl(key) or MINUTE)
    return ctx:respond(429, "too many requests\n", { ["retry-after"] = wait })
  end
  ctx.own.left = conf.requests - count -- ctx.own: this policy's notes on this request
end

function quota.response(_, ctx)
  if ctx.own.left then ctx.res.headers["x-quota-left"] = ctx.own.left end
end

return quota
