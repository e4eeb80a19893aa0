-- web-api: calls recommendation and purchase-history through the mesh, with its own certificate, and
-- answers with their names beside its own.
local offset = tonumber(os.getenv("PORT_OFFSET") or "0")
local certs = os.getenv("CERTS") or "."

local function mesh(address, name)
  return {
    endpoints = { ("%s:%d"):format(address, 8080 + offset) },
    tls = {
      ca = certs .. "/ca.crt", cert = certs .. "/web-api.crt", key = certs .. "/web-api.key",
      verify = "spiffe://cluster.local/ns/default/sa/" .. name,
    },
  }
end

return {
  listeners = { http = { address = "127.0.11.1:8080" } },
  services = {
    ["recommendation"] = mesh("127.0.10.2", "recommendation"),
    ["purchase-history"] = mesh("127.0.10.3", "purchase-history"),
  },
  routes = {
    { policies = { { "answer", name = "web-api", calls = { "recommendation", "purchase-history" } } } },
  },
}
