--- rate_limit: so many requests in a time, for each client or whatever else they are counted by.
-- `token_bucket` lets `burst` requests pass at once and `limit` in each `per` after that; `sliding_window` never more
-- than `limit` in any `per` (to a hundredth of it).  What is counted together says `key`, a list of words of which each
-- combination has a count of its own; what a request does not have counts as empty.  Counts are those of all workers of
-- this gateway, by name: two uses with one name, key and limit share them.  With `redis` they are those of all gateways
-- that ask it, in one round trip; `on_redis_error` says what counts while it does not answer.
-- What is too much is answered 429 with Retry-After and the flag RL.  Clients learn what is left from RateLimit and
-- RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers), and from x-ratelimit-* if asked.
-- Phases: request (counts), response (tells).
-- Place it after what it counts by: jwt, api_key.
local key = require "policies.rate_limit.key"
local metrics = require "moongate.metrics"
local server = require "policies.rate_limit.server"
local store = require "policies.rate_limit.store"
local rate_limit = {}

rate_limit.schema = {
  { "limit", type = "integer", min = 1, max = 999999999, required = true, doc = "How many requests." },
  { "per", type = "duration", min = 1, max = 31536000000, required = true, doc = "In which time." },
  { "algorithm", type = "string", one_of = { "token_bucket", "sliding_window" }, default = "token_bucket",
    doc = "How they are counted." },
  { "burst", type = "integer", min = 1, max = 999999999,
    doc = "How many may come at once, with token_bucket; as many as `limit` when absent." },
  { "key", type = "list", items = { type = "string" }, min = 1, max = 8, default = { "client_address" },
    doc = "What they are counted by: client_address, principal, consumer (of api_key), route, listener, host, method, "
      .. "header:NAME, cookie:NAME, param:NAME, claim:NAME (of jwt), constant:TEXT." },
  { "name", type = "string", pattern = "^[%w._-]+$", default = "default", doc = "Its name for clients and metrics." },
  { "headers", type = "boolean", default = true, doc = "Whether clients are told by RateLimit and RateLimit-Policy." },
  { "legacy_headers", type = "boolean", default = false, doc = "Whether they are told by x-ratelimit-* too." },
  { "redis", type = "record", doc = "The Redis server that counts for all gateways.", fields = server.schema },
  { "on_redis_error", type = "string", one_of = { "local", "allow", "deny" }, default = "local",
    doc = "While Redis does not answer: count within this gateway, let all pass, or answer 503." },
}

local OUTCOMES = { "allowed", "limited", "unavailable" }

function rate_limit.check(conf)
  if conf.burst and conf.algorithm ~= "token_bucket" then
    return nil, "burst: only a token_bucket has one; a sliding_window lets `limit` come at once"
  end
  for i, word in ipairs(conf.key) do
    local why = key.mistake(word)
    if why then return nil, ("key.%d: %s"):format(i, why) end
  end
  local why = conf.redis and server.mistake(conf.redis)
  if why then return nil, "redis." .. why end
end

-- w is in whole seconds: a time that is not so is left out.
local function policy_field(conf)
  local window = conf.per % 1000 == 0 and (";w=%d"):format(conf.per / 1000) or ""
  return ('"%s";q=%d%s'):format(conf.name, conf.limit, window)
end

function rate_limit.prepare(conf)
  conf.burst = conf.burst or conf.limit
  conf.store = store.gateway(conf)
  if conf.redis then
    local failed = metrics.counter { name = "moongate_rate_limit_redis_errors_total", labels = { "name" },
      help = "Requests that Redis did not count for policy rate_limit." }
    conf.store = store.redis(conf, conf.store, failed:with(conf.name))
  end
  conf.key_of = key.reader(conf.key, ("%s %s %d %d %d "):format(conf.name, conf.algorithm, conf.limit, conf.per,
    conf.burst))
  conf.policy = policy_field(conf)
  local family = metrics.counter { name = "moongate_rate_limit_requests_total", labels = { "name", "outcome" },
    help = "Requests that policy rate_limit has counted, by what became of them." }
  conf.counts = {}
  for _, outcome in ipairs(OUTCOMES) do conf.counts[outcome] = family:with(conf.name, outcome) end
  return conf
end

-- Whole seconds; a microsecond more is what rounding has left.
local function seconds(us) return math.max(0, math.ceil((us - 1) / 1000000)) end

local function refuse(conf, ctx, outcome, flag, details)
  conf.counts[outcome]:add(1)
  ctx:flag(flag)
  ctx.details = details
end

function rate_limit.request(conf, ctx)
  local allowed, left, more, full = conf.store(conf.key_of(ctx))
  if not allowed then
    refuse(conf, ctx, "unavailable", "RLSE", "rate_limiter_error")
    return ctx:respond(503, "Service Unavailable")
  end
  local own = ctx.own
  own.left, own.full = left, full and seconds(full)
  if allowed == 1 then return conf.counts.allowed:add(1) end
  own.full = math.max(own.full, 1)
  refuse(conf, ctx, "limited", "RL", "request_rate_limited")
  return ctx:respond(429, "Too Many Requests", { ["retry-after"] = tostring(math.max(seconds(more), 1)) })
end

function rate_limit.response(conf, ctx)
  local headers, own = ctx.res.headers, ctx.own
  if not own.left then return end
  if conf.headers then
    headers:add("ratelimit-policy", conf.policy)
    headers:add("ratelimit", ('"%s";r=%d;t=%d'):format(conf.name, own.left, own.full))
  end
  if conf.legacy_headers then
    headers:set("x-ratelimit-limit", conf.limit)
    headers:set("x-ratelimit-remaining", own.left)
    headers:set("x-ratelimit-reset", own.full)
  end
end

--- What is left, or when there is more.
function rate_limit.explain(conf, ctx, answer)
  local what = ("%d in %g seconds by %s"):format(conf.limit, conf.per / 1000, table.concat(conf.key, ", "))
  return { answer and what .. ": refused" or ("%s: %s left"):format(what, ctx.own.left or "unknown how many") }
end

return rate_limit
