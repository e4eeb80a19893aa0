--- rbac: lets a request pass or answers 403 `RBAC: access denied`, by rules on who calls and what is asked.
-- The rules of `deny` are asked first: any match refuses.  Then, if `allow` is there, one of its rules must match
-- (an empty `allow` refuses everything).  All fields of a rule must hold, any value of a field will do; a field
-- `not_x` asks that no value of x matches, and holds too when the request has nothing of the kind.
-- Values: "abc" is the same text, "abc*" starts so, "*abc" ends so, "*" is there; paths may be templates such as
-- "/shop/{*}/cart" or "/static/{**}".  Hosts are compared with their port, in any case.
-- `audit` and `dry_run` change no answer: they leave notes in ctx.shared.metadata, by Envoy's names (access_log_hint of
-- envoy.common; istio_dry_run_... of envoy.filters.http.rbac), and dry runs are counted.
-- Rules become table look-ups when the config is loaded: ten thousand cost what ten do.
-- Phases: request.
-- Place it first, before whatever costs or changes something; after a policy that verifies tokens, if rules ask for
-- request_principals or claims (ctx.shared.jwt).
local compile = require "policies.rbac.compile"
local metrics = require "moongate.metrics"
local explain = require "policies.rbac.explain"
local mistakes = require "policies.rbac.mistakes"
local settings = require "policies.rbac.settings"
local shadow = require "policies.rbac.shadow"
local rbac = {}

local refusals = metrics.counter {
  name = "moongate_rbac_denied_total", labels = { "rule" },
  help = "Requests that rules refused, by the rule: its id, or none where no rule allows.",
}

local BODY = "RBAC: access denied"
local HEADERS = { ["content-type"] = "text/plain" }

rbac.schema = {
  settings.rules("allow", "One of these must match; without the list all may pass."),
  settings.rules("deny", "None of these may match."),
  settings.rules("audit", "A match is noted for the access log."),
  { "dry_run", type = "record", doc = "Rules on trial: what they would do is noted and counted.", fields = {
    settings.rules("allow", "As allow."), settings.rules("deny", "As deny."),
  } },
  settings.port,
}

local function first_mistake(rules, path)
  for i, rule in ipairs(rules or {}) do
    local why = mistakes.first(rule)
    if why then return path .. "." .. i .. why end
  end
end

function rbac.check(conf)
  local trial = conf.dry_run or {}
  local why = first_mistake(conf.deny, "deny") or first_mistake(conf.allow, "allow")
    or first_mistake(conf.audit, "audit") or first_mistake(trial.deny, "dry_run.deny")
    or first_mistake(trial.allow, "dry_run.allow")
  if why then return nil, why end
end

local function details(id)
  return ("rbac_access_denied_matched_policy[%s]"):format((id or "none"):gsub("%s", "_"))
end

function rbac.prepare(conf)
  local prepared = { details = {}, shadow = shadow.new(conf), given = conf, counts = {} }
  if conf.deny then
    table.sort(conf.deny, shadow.by_id)
    for i, rule in ipairs(conf.deny) do prepared.details[i] = details(rule.id) end
    prepared.deny = compile.rules(conf.deny, "least", conf.port)
  end
  prepared.allow = conf.allow and compile.rules(conf.allow, "first", conf.port)
  prepared.nothing_allowed = details(nil)
  return prepared
end

-- A denial is counted under the name that the log has for it.
local function refuse(conf, ctx, why)
  ctx.details = why
  local series = conf.counts[why]
  if not series then
    series = refusals:with(why:match("%[(.*)%]$"))
    conf.counts[why] = series
  end
  series:add(1)
  return ctx:respond(403, BODY, HEADERS)
end

function rbac.request(conf, ctx)
  if conf.shadow then conf.shadow(ctx) end
  local denied = conf.deny and conf.deny(ctx)
  if denied then return refuse(conf, ctx, conf.details[denied]) end
  if conf.allow and not conf.allow(ctx) then return refuse(conf, ctx, conf.nothing_allowed) end
end

--- Which rule decided, and what the others lacked.
function rbac.explain(conf, ctx)
  return explain(conf.given, ctx)
end

return rbac
