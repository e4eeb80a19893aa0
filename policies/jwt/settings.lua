--- settings: what a config may say to policy jwt, checked and made ready.
local claims = require "moongate.claims"
local field = require "moongate.field"
local locations = require "moongate.locations"
local source = require "policies.jwt.source"
local tokens = require "moongate.jwt"
local settings = {}

local function strings(name, doc)
  return { name, type = "list", items = { type = "string", min = 1 }, default = {}, doc = doc }
end

local from_headers, from_params, from_cookies = locations.schema "a token"

local rule = {
  { "issuer", type = "string", min = 1, doc = "Who signs (`iss`); any issuer when absent." },
  strings("audiences", "Whom tokens may be meant for (`aud`): one of these; anybody when absent."),
  { "jwks", type = "string", doc = "The keys: text of a JSON Web Key Set." },
  { "jwks_file", type = "string", doc = "File that holds them." },
  { "jwks_url", type = "string", doc = "Address (http or https) that gives them." },
  { "jwks_service", type = "record", doc = "Service of the config that gives them.", fields = {
    { "service", type = "string", required = true, doc = "Its name." },
    { "path", type = "string", pattern = "^/", default = "/", doc = "Path to ask for." },
    { "authority", type = "string", doc = "Host to ask for; the service's name when absent." } } },
  { "timeout", type = "duration", min = 1, max = 600000, default = "5s", doc = "Time of one fetch." },
  { "refresh", type = "duration", min = 1000, default = "5m", doc = "Age at which keys are fetched again." },
  { "keep", type = "duration", min = 1000, default = "24h", doc = "How long keys outlive fetches that fail." },
  { "refetch", type = "duration", min = 100, default = "10s",
    doc = "Least time between two fetches that tokens with an unknown key cause." },
  from_headers, from_params, from_cookies,
  { "forward", type = "boolean", default = false, doc = "Whether the service gets the token too." },
  { "payload_header", type = "string", doc = "Request header that gets the token's middle part, as base64url." },
  { "claim_headers", type = "list", default = {}, doc = "Claims as request headers.", items = { type = "record",
    fields = {
      { "header", type = "string", required = true, doc = "Name of the header." },
      { "claim", type = "string", required = true, min = 1, doc = "Name of the claim; dots lead inside." } } } },
  strings("space_delimited", "Claims that are lists written as one text, beside scope and permission."),
}

settings.schema = {
  { "rules", type = "list", required = true, min = 1, items = { type = "record", fields = rule },
    doc = "Whose tokens are good, in order." },
  { "required", type = "boolean", default = false, doc = "Whether requests without a token are refused." },
  { "clock_skew", type = "duration", min = 0, default = "60s", doc = "How far clocks may differ." },
}

-- ---- check --------------------------------------------------------------------------------

local function name_error(name, path)
  local why = field.name_error(name) or name:lower() == "host" and "the host cannot be a token, a key or a claim"
  return why and ("%s: %s"):format(path, why)
end

local function rule_error(one)
  local why = source.mistake(one) or one.payload_header and name_error(one.payload_header, "payload_header")
    or locations.mistake(one)
  for i, output in ipairs(one.claim_headers) do
    why = why or name_error(output.header, ("claim_headers.%d.header"):format(i))
  end
  return why
end

--- What the schema cannot say.
function settings.check(conf)
  for i, one in ipairs(conf.rules) do
    local why = rule_error(one)
    if why then return nil, ("rules.%d.%s"):format(i, why) end
  end
end

-- ---- prepare ------------------------------------------------------------------------------

local function split_claims(one)
  local names = { scope = true, permission = true }
  for _, name in ipairs(one.space_delimited) do names[name] = true end
  return names
end

--- A checked rule, made ready; skew in seconds.
function settings.prepare(one, skew)
  local ready = { issuer = one.issuer, source = source.open(one), skew = skew, forward = one.forward,
    audiences = tokens.audiences(one.audiences), payload_header = one.payload_header, claim_headers = {},
    split = split_claims(one), facts = setmetatable({}, { __mode = "k" }) }
  for i, output in ipairs(one.claim_headers) do
    ready.claim_headers[i] = { header = output.header:lower(), find = claims.finder(output.claim) }
  end
  return ready
end

return settings
