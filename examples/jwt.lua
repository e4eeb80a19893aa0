-- jwt: who is asking, by signed tokens.  Everybody may read, who has a token of the issuer may delete, but not Bob.
--
--   moongate run examples/jwt.lua
--   curl -i http://127.0.0.1:8080/                              200: nobody
--   curl -i -H 'authorization: Bearer x' http://127.0.0.1:8080/          401: that is no token
--   curl -i -X DELETE http://127.0.0.1:8080/                    403: nobody may not
--   curl -i -H "authorization: Bearer $(examples/jwt-token ada 4102444800)" http://127.0.0.1:8080/   200: ada
--   curl -i -H "authorization: Bearer $(examples/jwt-token ada 1)" http://127.0.0.1:8080/   401: Jwt is expired
--   curl -i -X DELETE -H "authorization: Bearer $(examples/jwt-token bob 4102444800)" http://127.0.0.1:8080/  403
-- A real issuer signs with a private key and publishes the public ones: jwks_url = "https://idp.example/keys" in place
-- of `jwks`, or neither where it has an OpenID Connect document.
local keys = '{"keys":[{"kty":"oct","alg":"HS256","k":"bm90IGEgc2VjcmV0LCBidXQgYW4gZXhhbXBsZSBvZiBvbmU"}]}'

return {
  listeners = {
    web = { address = "127.0.0.1:8080" },
    shop = { address = "127.0.0.1:9101" }, -- plays the service, so that the example needs no other program
  },
  services = { shop = { endpoints = { { address = "127.0.0.1:9101" } } } },
  routes = {
    {
      name = "shop", listeners = { "web" },
      policies = {
        { "jwt", rules = { { issuer = "https://idp.example", jwks = keys,
          claim_headers = { { header = "x-user", claim = "sub" } } } } },
        { "rbac",
          deny = { { id = "bob", methods = { "DELETE" }, request_principals = { "https://idp.example/bob" } } },
          allow = {
            { id = "read", methods = { "GET", "HEAD" } },
            { id = "known", request_principals = { "*" } },
          } },
      },
      backends = { { service = "shop" } },
    },
    { name = "ada", listeners = { "shop" }, match = { headers = { ["x-user"] = "ada" } },
      policies = { { "respond", body = "ada\n" } } },
    { name = "others", listeners = { "shop" }, policies = { { "respond", body = "nobody\n" } } },
  },
}
