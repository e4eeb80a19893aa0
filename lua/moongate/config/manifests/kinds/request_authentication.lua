--- Fields of Istio's RequestAuthentication.
local fields = require "moongate.config.manifests.kinds.fields"
local strings = fields.strings

local function name(field, doc) return { field, type = "string", required = true, min = 1, doc = doc } end

local rule = {
  { "issuer", type = "string", doc = "Who signs; any issuer when absent." },
  strings("audiences", "Whom tokens may be meant for; anybody when absent."),
  { "jwksUri", type = "string", doc = "Address (http or https) of the keys." },
  { "jwks_uri", type = "string", doc = "Old spelling of jwksUri." },
  { "jwks", type = "string", doc = "The keys themselves, as a JSON Web Key Set." },
  { "fromHeaders", type = "list", doc = "Headers with a token.", items = { type = "record", fields = {
    name("name", "Name of the header."), { "prefix", type = "string", doc = "What stands before the token." } } } },
  strings("fromParams", "Query parameters with a token."),
  strings("fromCookies", "Cookies with a token."),
  { "outputPayloadToHeader", type = "string", doc = "Header that gets the token's middle part." },
  { "outputClaimToHeaders", type = "list", doc = "Claims as headers.", items = { type = "record", fields = {
    name("header", "Name of the header."), name("claim", "Name of the claim; dots lead inside.") } } },
  { "forwardOriginalToken", type = "boolean", doc = "Whether the service gets the token too." },
  { "timeout", type = "duration", min = 1, doc = "Time of one fetch of the keys; 5s when absent." },
  { "presence", type = "string", one_of = { "OPTIONAL", "REQUIRED" }, default = "OPTIONAL",
    doc = "Whether a request without a token is refused." },
  strings("spaceDelimitedClaims", "Claims that are lists written as one text, beside scope and permission."),
}

local spec = fields.attached {
  { "jwtRules", type = "list", items = { type = "record", fields = rule }, doc = "Whose tokens are good." },
}

return {
  RequestAuthentication = fields.kind({ "security.istio.io/v1", "security.istio.io/v1beta1" }, spec, false),
}
