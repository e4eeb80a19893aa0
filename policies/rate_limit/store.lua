--- store: where counts are kept.  A store is a function(key) that counts one request and gives what
-- moongate.rate says, but for the state.
local hash = require "moongate.hash"
local log = require "moongate.log"
local rate = require "moongate.rate"
local server = require "policies.rate_limit.server"
local shared = require "moongate.shared"
local time = require "moongate.time"
local store = {}

local SIZE = "16MiB" -- takes memory as it fills; then what was counted longest ago is forgotten
local TRIES = 1000 -- each one that fails means that another worker has counted

--- Counts that all workers of this gateway share.
-- @param conf of the policy: algorithm, limit, per (ms), burst
function store.gateway(conf)
  local take, per = rate.functions[conf.algorithm], conf.per * 1000
  local counts = assert(shared.open("rate_limit", { size = SIZE }))
  return function(key)
    for _ = 1, TRIES do
      local state = counts:get(key)
      local allowed, left, more, full, new = take(state or "", time.monotonic() * 1000000, conf.limit, per, conf.burst)
      if not new then return allowed, left, more, full end
      local stored, why = counts:swap(key, state, new, full / 1000000 + 0.001) -- kept in whole milliseconds
      if stored then return allowed, left, more, full end
      if why then error(why) end
    end
    error "rate_limit: the count does not stand still"
  end
end

-- ---- Redis --------------------------------------------------------------------------------

-- Redis's own clock counts, so gateways need not agree on the time; from 2023 on, for a double's precision.
local SCRIPT = [[
local take = (function() %s end)()
local t = redis.call("TIME")
local now = (t[1] - 1700000000) * 1000000 + t[2]
local limit, per, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local allowed, left, more, full, state = take(redis.call("GET", KEYS[1]) or "", now, limit, per, burst)
if allowed == 1 then redis.call("SET", KEYS[1], state, "PX", math.ceil(full / 1000) + 1) end
return { allowed, left, math.ceil(more), math.ceil(full) }]]

local function is_answer(reply)
  if type(reply) ~= "table" or #reply ~= 4 then return false end
  for i = 1, 4 do
    if type(reply[i]) ~= "number" then return false end
  end
  return true
end

-- One round trip; a second one where the script is not known yet.
local function evaluate(client, script, sha, ...)
  local reply, why = client:call("EVALSHA", sha, 1, ...)
  if not reply and why:find("NOSCRIPT", 1, true) then reply, why = client:call("EVAL", script, 1, ...) end
  if reply and not is_answer(reply) then return nil, "redis: not what the script gives" end
  return reply, why
end

-- Once when it fails, once when it answers again.
local function tell(state, why)
  if state.trouble == (why ~= nil) then return end
  state.trouble = why ~= nil
  if why then log.warn("rate_limit: Redis does not count", { name = state.name, error = why })
  else log.info("rate_limit: Redis counts again", { name = state.name }) end
end

--- Counts that Redis keeps; while it does not, what conf.on_redis_error says: "local" counts by `own`, "allow" gives 1
-- alone, "deny" nothing.
-- @param conf of the policy; @param own store.gateway(conf); @param failed counter
function store.redis(conf, own, failed)
  local o, state = conf.redis, { name = conf.name, trouble = false }
  local script = SCRIPT:format(rate.sources[conf.algorithm])
  local client, sha = server.client(o), hash.hex(hash.sha1(script))
  return function(key)
    local reply, why = evaluate(client, script, sha, o.prefix .. key, conf.limit, conf.per * 1000, conf.burst)
    tell(state, why)
    if reply then return reply[1], reply[2], reply[3], reply[4] end
    failed:add(1)
    if conf.on_redis_error == "local" then return own(key) end
    return conf.on_redis_error == "allow" and 1 or nil
  end
end

return store
