--- shadow: rules that are asked but never enforced; what they find is noted in ctx.shared.metadata.
-- A dry run of `allow` rules denies what none of them matches, one of `deny` rules what one of them matches.
local compile = require "policies.rbac.compile"
local metrics = require "moongate.metrics"
local shadow = {}

local counted = metrics.counter {
  name = "moongate_rbac_dry_run_total", labels = { "action", "result" },
  help = "What rules on trial would have done, by their action.",
}

--- Order of rules: of several matches the first in the alphabet is named, as by Envoy.
function shadow.by_id(a, b) return (a.id or "") < (b.id or "") end

-- What is noted under a name of Envoy's dynamic metadata.
local function notes(ctx, name)
  local shared = ctx.shared
  shared.metadata = shared.metadata or {}
  shared.metadata[name] = shared.metadata[name] or {}
  return shared.metadata[name]
end

local function auditor(rules, port)
  local find = compile.rules(rules, "first", port)
  return function(ctx)
    if find(ctx) then notes(ctx, "envoy.common").access_log_hint = true end
  end
end

local function trial(action, rules, port, on_match, otherwise)
  table.sort(rules, shadow.by_id)
  local find = compile.rules(rules, "least", port)
  local prefix = ("istio_dry_run_%s_shadow_"):format(action)
  local result, policy = prefix .. "engine_result", prefix .. "effective_policy_id"
  local counters = { [on_match] = counted:with(action, on_match), [otherwise] = counted:with(action, otherwise) }
  return function(ctx)
    local rank = find(ctx)
    local outcome = rank and on_match or otherwise
    local noted = notes(ctx, "envoy.filters.http.rbac")
    noted[result], noted[policy] = outcome, rank and rules[rank].id
    counters[outcome]:add(1)
  end
end

--- A function(ctx) for the rules of `audit` and `dry_run`; nil where there are none.
function shadow.new(conf)
  local list, dry_run = {}, conf.dry_run or {}
  if conf.audit then list[1] = auditor(conf.audit, conf.port) end
  if dry_run.deny then list[#list + 1] = trial("deny", dry_run.deny, conf.port, "denied", "allowed") end
  if dry_run.allow then list[#list + 1] = trial("allow", dry_run.allow, conf.port, "allowed", "denied") end
  if #list == 0 then return nil end
  return function(ctx)
    for i = 1, #list do list[i](ctx) end
  end
end

return shadow
