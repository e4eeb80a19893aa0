--- settings: the schema of a list of rules.
local settings = {}

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
  { "at", type = "string", doc = "Where the rule is written, for those who ask why." },
  { "from", type = "list", items = records(with_nots(SOURCE)), doc = "Sources; one of them must match." },
  { "to", type = "list", items = records(with_nots(OPERATION)), doc = "Operations; one of them must match." },
  { "when", type = "list", items = records(WHEN), doc = "Conditions; all of them must hold." },
}
for _, field in ipairs(MORE) do RULE[#RULE + 1] = field end

--- The port that the rules of a policy are about.
settings.port = { "port", type = "integer", min = 0, max = 65535,
  doc = "Port that rules on ports are about, where it is not the one that the listener declares." }

--- A list of rules, as a field of the policy's schema.
function settings.rules(name, doc) return { name, type = "list", items = records(RULE), doc = doc } end

return settings
