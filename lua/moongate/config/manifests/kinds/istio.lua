--- Fields of Istio's kinds.
local fields = require "moongate.config.manifests.kinds.fields"
local kind, strings = fields.kind, fields.strings

local source = {}
for _, field in ipairs {
  { "principals", "Identities, without spiffe://." }, { "requestPrincipals", "iss/sub of the token." },
  { "namespaces", "Namespaces of the identity." }, { "ipBlocks", "Addresses of the peer." },
  { "remoteIpBlocks", "Addresses of the client." }, { "serviceAccounts", "ns/account, or one of this namespace." },
  { "trustDomains", "Trust domains of the identity." },
} do
  local name = field[1]
  source[#source + 1] = strings(name, field[2])
  source[#source + 1] = strings("not" .. name:sub(1, 1):upper() .. name:sub(2), "None of these.")
end

local operation = {}
for _, name in ipairs { "hosts", "ports", "methods", "paths" } do
  operation[#operation + 1] = strings(name, "Any of these.")
  operation[#operation + 1] = strings("not" .. name:sub(1, 1):upper() .. name:sub(2), "None of these.")
end

local authorization_rule = {
  { "from", type = "list", doc = "Who asks: any of these.", items = { type = "record", fields = {
    { "source", type = "record", required = true, fields = source, doc = "All of these." } } } },
  { "to", type = "list", doc = "What is asked: any of these.", items = { type = "record", fields = {
    { "operation", type = "record", required = true, fields = operation, doc = "All of these." } } } },
  { "when", type = "list", doc = "Conditions: all of these.", items = { type = "record", fields = {
    { "key", type = "string", required = true, doc = "Attribute." },
    strings("values", "Any of these."), strings("notValues", "None of these.") } } },
}

local authorization_policy = fields.attached {
  { "action", type = "string", one_of = { "ALLOW", "DENY", "AUDIT", "CUSTOM" }, default = "ALLOW",
    doc = "What a matching request gets." },
  { "rules", type = "list", items = { type = "record", fields = authorization_rule }, max = 512,
    doc = "Any of these." },
  { "provider", type = "record", doc = "Who decides, for CUSTOM.", fields = {
    { "name", type = "string", required = true, min = 1, doc = "An extension provider of the mesh." } } },
}

return {
  AuthorizationPolicy = kind({ "security.istio.io/v1", "security.istio.io/v1beta1" }, authorization_policy, false),
}
