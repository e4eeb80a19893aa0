--- rate: how many requests may come, how many are left and when there are more.
-- The texts are Lua of their own: a worker runs them on a shared dictionary, Redis in a script, so that both count
-- alike.  Each is a function(state, now, limit, per, burst): `state` is what it gave last ("": nothing yet), times are
-- in microseconds.  It gives 1 or 0 (passes or not), what is left, the time until there is more (0: there is), the time
-- until all is there again, and after 1 the new state, which is worth nothing once that time is over.
local rate = {}

-- A bucket that holds `burst` and gets `limit` anew in each `per`.  The state is the time at which it will be full
-- (the generic cell rate algorithm): one number says how many tokens there are at any time.
local token_bucket = [[
return function(state, now, limit, per, burst)
  local each = per / limit
  local full = math.max(tonumber(state) or 0, now)
  local room = burst * each - (full + each - now)
  if room < -0.01 then return 0, 0, -room, full - now end
  return 1, math.floor(room / each + 0.001), 0, full + each - now, string.format("%.3f", full + each)
end]]

-- At most `limit` in any `per`.  The state is a log: the count of all, then groups of those that came within a
-- hundredth of `per`, each as the time of its first and its count; a group is forgotten `per` after its first.
local sliding_window = [[
return function(state, now, limit, per)
  local total, at = tonumber(string.sub(state, 1, 9)) or 0, 10
  while at <= #state and tonumber(string.sub(state, at, at + 14)) + per <= now do
    total, at = total - tonumber(string.sub(state, at + 15, at + 23)), at + 24
  end
  local groups = string.sub(state, at)
  local newest = tonumber(string.sub(groups, -24, -10))
  if total >= limit then
    return 0, 0, tonumber(string.sub(groups, 1, 15)) + per - now, newest + per - now
  end
  if newest and now - newest < per / 100 then
    groups = string.sub(groups, 1, -10) .. string.format("%09.0f", tonumber(string.sub(groups, -9)) + 1)
  else
    newest, groups = now, groups .. string.format("%015.0f%09.0f", now, 1)
  end
  return 1, limit - total - 1, 0, newest + per - now, string.format("%09.0f", total + 1) .. groups
end]]

--- The texts, by the names that a config uses.
rate.sources = { token_bucket = token_bucket, sliding_window = sliding_window }

--- The functions of these texts.
rate.functions = {}
for name, source in pairs(rate.sources) do
  rate.functions[name] = assert(load(source, "=rate." .. name, "t"))()
end

return rate
