--- rbac: lets a request pass or answers 403 `RBAC: access denied`, by rules on who calls and what is asked.
-- The rules of `deny` are asked first: any match refuses.  Then, if `allow` is there, one of its rules must match
-- (an empty `allow` refuses everything).  All fields of a rule must hold, any value of a field will do; a field
-- `not_x` asks that no value of x matches, and holds too when the request has nothing of the kind.
-- Values: "abc" is the same text, "abc*" starts so, "*abc" ends so, "*" is there; paths may be templates such as
-- "/shop/{*}/cart" or "/static/{**}".  Hosts are compared with their port, in any case.
-- Rules become table look-ups when the config is loaded: ten thousand cost what ten do.
-- Phases: request.
-- Place it first, before whatever costs or changes something; after a policy that verifies tokens, if rules ask for
-- request_principals or claims (ctx.shared.jwt).
local compile = require "policies.rbac.compile"
local mistakes = require "policies.rbac.mistakes"
local rbac = {}

local BODY = "RBAC: access denied"
local HEADERS = { ["content-type"] = "text/plain" }

local function texts(name, doc) return { name, type = "list", items = { type = "string" }, doc = doc } end
local function maps(name, doc)
  return { name, type = "map", values = { type = { "string", "list" }, items = { type = "string" } }, doc = doc }
end

local SOURCE = {
  texts("principals", "Identities such as cluster.local/ns/default/sa/sleep, with or without spiffe://."),
  texts("request_principals", "Issuer/subject of a verified token."),
  texts("namespaces", "Namespaces of the identity; * may stand anywhere."),
  texts("service_accounts", "Accounts of the identity, as namespace/account."),
  texts("trust_domains", "Trust domains of the identity."),
  texts("ip_blocks", "Addresses or blocks of the peer."),
  texts("remote_ip_blocks", "Addresses or blocks of the client, as trusted proxies tell it."),
}
local OPERATION = {
  texts("hosts", "Host with its port, as sent; any case."),
  { "ports", type = "list", items = { type = { "integer", "string" } }, doc = "Ports the listeners declare." },
  texts("methods", "Methods; case counts."),
  texts("paths", "Paths without query: exact, prefix*, *suffix, or a template."),
}
local WHEN = {
  { "key", type = "string", required = true, doc = "Attribute, as in Istio: request.headers[x-user], source.ip, ..." },
  texts("values", "Any of these must match."),
  texts("not_values", "None of these may match."),
}

-- Every field of `lists`, each followed by its not_ form.
local function with_nots(...)
  local fields = {}
  for _, list in ipairs { ... } do
    for _, field in ipairs(list) do
      local negative = {}
      for key, value in pairs(field) do negative[key] = value end
      negative[1], negative.doc = "not_" .. field[1], "None of: " .. field.doc
      fields[#fields + 1], fields[#fields + 2] = field, negative
    end
  end
  return fields
end

local function records(fields) return { type = "record", fields = fields } end

local RULE = with_nots(SOURCE, OPERATION, {
  maps("headers", "Header to value or list of values; every header must match."),
  maps("claims", "Claim of a verified token to value or list of values; every claim must match."),
})
local MORE = {
  { "id", type = "string", doc = "Name of the rule in logs." },
  { "from", type = "list", items = records(with_nots(SOURCE)), doc = "Sources; one of them must match." },
  { "to", type = "list", items = records(with_nots(OPERATION)), doc = "Operations; one of them must match." },
  { "when", type = "list", items = records(WHEN), doc = "Conditions; all of them must hold." },
}
for _, field in ipairs(MORE) do RULE[#RULE + 1] = field end

rbac.schema = {
  { "allow", type = "list", items = records(RULE), doc = "One of these must match; without the list all may pass." },
  { "deny", type = "list", items = records(RULE), doc = "None of these may match." },
}

function rbac.check(conf)
  for _, list in ipairs { "deny", "allow" } do
    for i, rule in ipairs(conf[list] or {}) do
      local why = mistakes.first(rule, list .. "." .. i)
      if why then return nil, why end
    end
  end
end

local function details(id)
  return ("rbac_access_denied_matched_policy[%s]"):format((id or "none"):gsub("%s", "_"))
end

local function by_id(a, b) return (a.id or "") < (b.id or "") end

function rbac.prepare(conf)
  local prepared = { details = {} }
  if conf.deny then
    table.sort(conf.deny, by_id) -- of several matches the first in the alphabet is named
    for i, rule in ipairs(conf.deny) do prepared.details[i] = details(rule.id) end
    prepared.deny = compile.rules(conf.deny, "least")
  end
  prepared.allow = conf.allow and compile.rules(conf.allow, "first")
  prepared.nothing_allowed = details(nil)
  return prepared
end

local function refuse(ctx, why)
  ctx.details = why
  return ctx:respond(403, BODY, HEADERS)
end

function rbac.request(conf, ctx)
  local denied = conf.deny and conf.deny(ctx)
  if denied then return refuse(ctx, conf.details[denied]) end
  if conf.allow and not conf.allow(ctx) then return refuse(ctx, conf.nothing_allowed) end
end

return rbac
